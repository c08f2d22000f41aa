"""calrun: a config-driven runner for deep active-learning experiments."""

__version__ = "0.1.0"
