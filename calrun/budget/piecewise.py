"""Steps whose size changes on the way. Wen et al. 2024, "Feature Alignment" (ASVP), Sec. 6.1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calrun.budget.base import Budget, require_count


@dataclass(frozen=True)
class Piecewise(Budget):
    """Adds `step` labels a round until a segment's end is reached, then goes on with the next segment.

    Args:
        segments: each with `until`, the number of labels at its last round, and `step`, the labels that a round adds.
    """

    segments: Sequence[Mapping[str, int]]

    def __post_init__(self) -> None:
        reached = 0
        for index, segment in enumerate(self.segments):
            if set(segment) != {"until", "step"}:
                raise ValueError(
                    f"budget.segments[{index}] wants the keys until and step, but has {sorted(map(str, segment))}; "
                    "correct it"
                )
            for key in ("until", "step"):
                require_count(f"segments[{index}].{key}", segment[key])
            length = segment["until"] - reached
            if length <= 0 or length % segment["step"]:
                raise ValueError(
                    f"budget.segments[{index}] wants to end at {segment['until']:,} labels by whole steps of "
                    f"{segment['step']:,} from {reached:,}; choose until = {reached:,} + a multiple of "
                    f"{segment['step']:,}"
                )
            reached = segment["until"]

    def planned(self, pool_size: int) -> list[int]:
        sizes: list[int] = []
        for segment in self.segments:
            start = sizes[-1] if sizes else 0
            sizes += range(start + segment["step"], segment["until"] + 1, segment["step"])
        return sizes
