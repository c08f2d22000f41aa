"""ASVP. Wen et al. 2024, Sec. 5: selection via proxy whose stored features are computed anew once fine-tuning pays.

As long as the pre-trained features separate the labels about as well as fine-tuned ones would, they stay, and the
evaluated network is trained by LP-FT, which keeps them; when a gate of PED and LogME on the labelled rows fires, the
network is fine-tuned, its features take their place, and it is fine-tuned from then on.

Dimension key: L labelled rows, D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor

from calrun.method.composed import Composed
from calrun.method.proxy.logme import LogME
from calrun.method.proxy.ped import PED, Scale, scale_of
from calrun.method.proxy.sight import StoredFeatures
from calrun.method.svp import FULL, Svp, counts_of, strangers, wanted_at
from calrun.parallel.world import of_first
from calrun.part.setup import FitWork, Setup
from calrun.round import Round
from calrun.text.legal import at_least

ALIGNED = "aligned"  # LP-FT, in the rounds before the update
GATE = "gate"


@dataclass(frozen=True)
class Reading:
    """What the gate sees in a round.

    Args:
        steps: those that PED accepted.
        score: LogME of the moved features; `None` where PED took one step or none and LogME is not asked.
    """

    steps: int
    score: float | None


@dataclass(frozen=True)
class Gate:
    """Tells whether pre-trained features will be changed by fine-tuning, and whether the change has settled.

    The paper's code holds neither PED nor LogME, so their options are not known; the reference rows of PED are the
    pool's features (the released PED takes those of ImageNet).

    Args:
        threshold: tau; the gate fires when LogME has moved by less since the round before; 1 in the paper.
        ped: moves features as fine-tuning would.
        logme: scores them.
    """

    threshold: float
    ped: PED = field(default_factory=PED)
    logme: LogME = field(default_factory=LogME)

    def __post_init__(self) -> None:
        at_least(0, "method.gate", threshold=self.threshold)

    def read(self, features_LD: Tensor, targets_L: np.ndarray, scale: Scale) -> Reading:
        """Returns what PED and LogME say about features of labelled rows."""
        moved = self.ped(features_LD, targets_L, scale)
        return Reading(moved.steps, self.logme(moved.features_LD, targets_L) if moved.steps > 1 else None)

    def fires(self, before: float | None, now: float | None) -> bool:
        """Tells whether two scores in a row are close enough."""
        return before is not None and now is not None and abs(now - before) < self.threshold


class Asvp(Svp):
    """Selects as SVPp does until the gate fires, and then on features of the fine-tuned network.

    A score that is missing in a round makes the next one incomparable; an update does too. Differs from the authors'
    scripts: the features change in place, and the rows that have been bought stay.

    Args:
        proxy: makes the method that trains the proxy.
        full: makes the method that fine-tunes the full network.
        aligned: makes the method that trains it before the update, LP-FT.
        sight: the stored features.
        gate: decides on the update.
        evaluate_at: as in `Svp`.
        update_at: `gate`, or numbers of labels at which the update happens whatever the gate says.
        max_updates: updates at most; 1, or `None` for any number.
        feature_alignment: whether an update computes the features anew; off in an ablation of the paper.
        training_alignment: whether the full network is trained by `aligned` before the update; off in another one.
        setup: what the run gives its method.
    """

    sight: StoredFeatures

    def __init__(  # noqa: PLR0913 - the parts of the method, all named
        self,
        proxy: Callable[..., Composed],
        full: Callable[..., Composed],
        aligned: Callable[..., Composed],
        sight: StoredFeatures,
        gate: Gate,
        evaluate_at: Literal["every", "last"] | Sequence[int],
        update_at: Literal["gate"] | Sequence[int],
        max_updates: int | None,
        feature_alignment: bool,
        training_alignment: bool,
        setup: Setup,
    ) -> None:
        super().__init__(proxy, full, sight, evaluate_at, setup, {ALIGNED: aligned} if training_alignment else {})
        at_least(0, "method", max_updates=max_updates)
        self.update_at = counts_of("method.update_at", update_at, (GATE,), setup.scale)
        self.gate, self.max_updates, self.aligns_features = gate, max_updates, feature_alignment
        self.way = ALIGNED if training_alignment else FULL
        self.reading = Reading(0, None)
        self.before: float | None = None
        self.now: float | None = None
        self.updates_now, self.updates = False, 0
        self.scale: tuple[int, Scale] | None = None

    def begin_round(self, this_round: Round) -> None:
        super().begin_round(this_round)
        self.reading = of_first(partial(self._read, this_round))
        self.before, self.now = self.now, self.reading.score
        self.updates_now = (self.max_updates is None or self.updates < self.max_updates) and self._is_due(this_round)
        if self.updates_now:
            self.updates, self.way = self.updates + 1, FULL

    def wants_full(self) -> bool:
        return self.updates_now and self.aligns_features

    def after_full(self, this_round: Round) -> None:
        if not self.updates_now:
            return
        self.now = None  # the scores of other features are no measure of these
        if self.aligns_features:
            self.sight.update(self.full.net, this_round, self.full)
            self.work.samples_forward += self.sight.num_rows

    def planned(self, this_round: Round) -> FitWork:
        """Returns the work of a round.

        A gate is taken to fire as early as it can, in every other round. It may also never fire, so that the way that
        trains before an update goes on: an evaluated round counts whichever of the two passes more rows.
        """
        done, due = self._planned_updates(this_round)
        aligns, evaluates = due and self.aligns_features, self._evaluates_in(this_round)
        names = {FULL if done else self.way, *([self.way] if evaluates and self.update_at == GATE else [])}
        looks = self.sight.num_rows if aligns else 0
        works = [self._planned(this_round, self.ways[name], aligns or evaluates, looks) for name in sorted(names)]
        return max(works, key=lambda work: work.epochs * work.passes)

    def _planned_updates(self, this_round: Round) -> tuple[int, bool]:
        """Returns how many updates a plan has made by the end of a round, and whether one of them is in it."""
        labelled = this_round.pool.num_bought
        if isinstance(self.update_at, str):
            met, here = this_round.number // 2, not this_round.number % 2  # two scores in a row are compared
        else:
            met, here = sum(each <= labelled for each in self.update_at), labelled in self.update_at
        most = met if self.max_updates is None else self.max_updates
        return min(met, most), here and met <= most

    def notes(self) -> dict[str, float]:
        scores = {} if self.reading.score is None else {"logme": self.reading.score}
        if scores and self.before is not None:
            scores["logme_change"] = scores["logme"] - self.before
        gate = {"ped_steps": float(self.reading.steps), **scores, "feature_update": float(self.updates_now)}
        return {**super().notes(), **gate, "aligned": float(self.way == ALIGNED)}

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        unmet = strangers("method.update_at", self.update_at, sizes)
        return [*unmet, *super().problems(sizes, input_shape)]

    def carried(self) -> dict[str, Any]:
        return {**super().carried(), "way": self.way, "score": self.now, "updates": self.updates}

    def restore(self, carried: dict[str, Any]) -> None:
        super().restore(carried)
        self.way, self.now, self.updates = carried["way"], carried["score"], carried["updates"]
        self.scale = None

    def _is_due(self, this_round: Round) -> bool:
        if self.update_at == GATE:
            return self.gate.fires(self.before, self.now)
        return wanted_at(self.update_at, this_round, "")

    def _read(self, this_round: Round) -> Reading:
        if self.scale is None or self.scale[0] != self.sight.version:
            self.scale = self.sight.version, scale_of(self.sight.all_features())
        rows = this_round.pool.labelled
        return self.gate.read(self.sight.features_of(rows), this_round.pool.targets_of(rows), self.scale[1])
