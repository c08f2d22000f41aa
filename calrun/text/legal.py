"""What an option may be: the sentence of each refusal stands here once."""

from collections.abc import Sequence


def one_of(option: str, came: object, legal: Sequence[str]) -> None:
    """Raises a ValueError if an option is none of the legal values."""
    if came not in legal:
        raise ValueError(f"{option} wants {' or '.join(legal)}, got {came!r}")
