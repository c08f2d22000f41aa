"""What an option may be: the sentence of each refusal stands here once."""

from collections.abc import Mapping, Sequence


def one_of(option: str, came: object, legal: Sequence[str]) -> None:
    """Raises a ValueError if an option is none of the legal values."""
    if came not in legal:
        raise ValueError(f"{option} wants {' or '.join(legal)}, got {came!r}")


def is_a(option: str, came: object, kind: type) -> None:
    """Raises a ValueError if what an option has made is not of a kind."""
    if isinstance(came, kind):
        return
    what = "settings without a _target_" if isinstance(came, Mapping) else f"an object of {type(came).__name__}"
    raise ValueError(f"{option} wants a {kind.__module__}.{kind.__name__}, got {what}; let your class inherit from it")
