"""Checks of what an option may be: the sentence of each refusal is written here once."""

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

Kind = TypeVar("Kind")


def one_of(option: str, came: object, legal: Iterable[str]) -> None:
    """Raises a ValueError if an option is none of the legal values."""
    if came not in (known := [*legal]):
        raise ValueError(f"{option} wants {' or '.join(known)}, got {came!r}")


def at_least(least: float, where: str, **options: float | None) -> None:
    """Raises a ValueError if an option of `where` is less than `least`, infinite or not a number; `None` is legal.

    Args:
        where: the key that the options stand below.
    """
    for name, came in options.items():
        if came is not None and not least <= came < math.inf:
            finite = " and finite" if came == math.inf else ""
            raise ValueError(f"{where}.{name} wants at least {least}{finite}, got {came}")


def share(option: str, came: float) -> None:
    """Raises a ValueError if an option is not a share from 0 to 1."""
    if not 0 <= came <= 1:
        raise ValueError(f"{option} wants a share from 0 to 1, got {came}")


def is_a(option: str, came: object, kind: type[Kind]) -> Kind:
    """Returns what an option has made.

    Raises:
        ValueError: if it is not of the kind.
    """
    if isinstance(came, kind):
        return came
    if came is None:
        raise ValueError(f"{option} wants a {kind.__module__}.{kind.__name__}, got null; choose an option for it")
    what = "settings without a _target_" if isinstance(came, Mapping) else f"an object of {type(came).__name__}"
    raise ValueError(f"{option} wants a {kind.__module__}.{kind.__name__}, got {what}; let your class inherit from it")
