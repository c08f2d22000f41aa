"""Refuses options that an acquisition cannot follow when it is built, and not after the first fit."""

from collections.abc import Collection
from typing import Any


def refuse_unknown(name: str, value: object, known: Collection[Any]) -> None:
    """Raises a ValueError if the value of the option `acquisition.<name>` is none of those it knows."""
    if value not in known:
        raise ValueError(f"acquisition.{name} is {value!r}, wanted one of {sorted(known)}")


def refuse_below(least: float, **options: float | None) -> None:
    """Raises a ValueError if an option, by its name, is a number less than `least`; none is no number."""
    for name, value in options.items():
        if value is not None and value < least:
            raise ValueError(f"acquisition.{name.replace('__', '.')} is {value}, wanted at least {least}")
