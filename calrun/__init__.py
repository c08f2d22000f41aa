"""calrun: a config-driven runner for deep active-learning experiments."""

import calrun.check.resolvers  # noqa: F401 - so that whoever composes calrun's YAMLs can read them

__version__ = "0.1.0"
