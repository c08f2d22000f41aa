"""What a plan says of proxies, against the rows that pass each network in a run, counted one by one."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calrun.experiment import Experiment
from calrun.method.svp import Svp
from calrun.model.base import Classifier, Output
from calrun.plan.plan import composed, plan

WORDS = (
    "stop=fixed_epochs", "method.proxy.stop.epochs=3", "acquisition=margin", "model.hidden=[8]", "trainer.batch_size=8"
)  # fmt: skip
FULL_FLOPS, PROXY_FLOPS = 2 * (64 * 8 + 8 * 10), 2 * (8 * 8 + 8 * 10)
SVPP = ("method=svpp",)
LAST = ("method.evaluate_at=last",)
ASVP = ("method=asvp", "method.aligned.phases.0.stop.epochs=2", "method.update_at=[40]")


class Counted:
    """Counts rows in training, by network, and rows whose features are computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: Counter[str] = Counter()
        plain = Classifier.forward

        def forward(net: Classifier, x: Tensor) -> Output:
            if net.training and torch.is_grad_enabled():
                is_proxy = any(isinstance(layer, nn.BatchNorm1d) for layer in net.modules())
                self.rows["proxy" if is_proxy else "full"] += len(x)
            return plain(net, x)

        monkeypatch.setattr(Classifier, "forward", forward)

    def watch(self, exp: Experiment) -> None:
        assert isinstance(exp.method, Svp)
        store = exp.method.setup_.feature_store
        inner = store.source

        def source(net: Any, rows: Any, predictor: Any) -> Any:
            self.rows["features"] += len(rows)
            return inner(net, rows, predictor)

        store.source = source  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "words",
    [
        SVPP,
        (*SVPP, *LAST),
        (*SVPP, "val_fraction=0.1"),
        ASVP,
        (*ASVP, *LAST),
        (*ASVP[:2], *LAST, "method.update_at=[20,40]"),
        (*ASVP, "method.feature_alignment=false"),
    ],
    ids=lambda words: " ".join(words),
)
def test_flops_are_those_of_the_rows_that_pass(
    words: tuple[str, ...],
    small: tuple[str, ...],
    play_in: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estimated = plan(composed([*small, *WORDS, *words]))
    counted = Counted(monkeypatch)
    lines = play_in(tmp_path / "run", composed([*small, *WORDS, *words]), prepare=counted.watch)
    rows = counted.rows
    passed = (3 * rows["full"] + rows["features"]) * FULL_FLOPS + 3 * rows["proxy"] * PROXY_FLOPS
    assert estimated.totals()["fit"]["flops"] == passed
    for each, line in zip(estimated.rounds[1:], lines, strict=True):
        fit = each.fit
        steps = fit.steps_per_epoch * fit.epochs + fit.proxy_steps_per_epoch * fit.proxy_epochs
        assert (steps, fit.epochs + fit.proxy_epochs) == (line["steps"], line["epochs"])


def test_the_proxy_scores_and_nothing_passes_for_initial_rows_by_stored_features(small: tuple[str, ...]) -> None:
    first, later, *_ = plan(composed([*small, *WORDS, *SVPP, "initial=kmeans"])).rounds
    assert first.score is not None
    assert later.score is not None
    assert (first.score.flops, later.score.flops) == (0, 180 * PROXY_FLOPS)
    assert first.score.columns["features"] == 200 * 8 * 4


def test_a_smaller_network_scores_by_its_own_passes(small: tuple[str, ...]) -> None:
    words = ("method=svp", "+model@method.sight.model=mlp", "method.sight.model.hidden=[2]")
    first, later, *_ = plan(composed([*small, *WORDS, *words, "initial=kmeans"])).rounds
    assert first.score is not None
    assert later.score is not None
    assert (first.score.flops, later.score.flops) == (200 * FULL_FLOPS, 180 * 2 * (64 * 2 + 2 * 10))


def test_a_gate_is_counted_as_firing_as_early_as_it_can_or_never_whichever_is_dearer(small: tuple[str, ...]) -> None:
    gate, early, never = (
        [each.fit.flops for each in plan(composed([*small, *WORDS, "method=asvp", *LAST, word])).rounds]
        for word in ("method.update_at=gate", "method.update_at=[40]", "method.max_updates=0")
    )
    assert gate == [max(pair) for pair in zip(early, never, strict=True)]
    assert early[2] > never[2]  # an update trains the full network there
    assert early[3] < never[3]  # LP-FT is dearer than fine-tuning alone


def test_a_gate_that_never_fires_takes_the_steps_that_are_planned(
    small: tuple[str, ...], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    words = [*small, *WORDS, *ASVP[:2], "method.gate.threshold=0"]
    fits = [each.fit for each in plan(composed(words)).rounds[1:]]
    planned = [fit.steps_per_epoch * fit.epochs + fit.proxy_steps_per_epoch * fit.proxy_epochs for fit in fits]
    assert planned == [line["steps"] for line in play_in(tmp_path / "run", composed(words))]


def test_the_table_shows_both_fits(calrun: Callable[..., Any], small: tuple[str, ...]) -> None:
    assert "3 x 2 + 1 x 3" in calrun("plan", *small, *WORDS, *SVPP).out


def test_a_choice_that_is_compared_passes_the_full_network_too(small: tuple[str, ...]) -> None:
    def scored(name: str) -> list[float]:
        planned = plan(composed([*small, *WORDS[:2], *WORDS[3:], *SVPP, f"acquisition={name}"]))
        return [each.score.flops / each.pool for each in planned.rounds[1:-1] if each.score is not None]

    assert set(scored("margin")) == {PROXY_FLOPS}
    assert set(scored("regions")) == {PROXY_FLOPS + FULL_FLOPS}
