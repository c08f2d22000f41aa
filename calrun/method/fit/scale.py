"""`scale`: a smaller version of a run, with fewer labels and fewer epochs."""

from collections.abc import Sequence


def scaled(numbers: Sequence[int], scale: float) -> list[int]:
    """Returns increasing numbers scaled down, each at least 1 more than the one before it."""
    smaller: list[int] = []
    for number in numbers:
        smaller.append(max(round(number * scale), smaller[-1] + 1 if smaller else 1))
    return smaller


def fewer(epochs: int, scale: float, least: int = 1) -> int:
    """Returns a number of epochs scaled down, but not below `least` unless it was below it already."""
    return max(round(epochs * scale), min(epochs, least))
