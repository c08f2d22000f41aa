"""ASVP: the five tests of its sheet, the gate alone, the ablations."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from calrun.experiment import Experiment
from calrun.method.asvp import Asvp, Gate, Reading
from calrun.method.proxy.logme import LogME
from calrun.method.proxy.ped import PED, Scale, scale_of

PlayIn = Callable[..., list[dict[str, Any]]]
SHORT = ("trainer.max_epochs=2", "method.proxy.stop.epochs=3", "acquisition=margin", "model.hidden=[8]")
ASVP = (*SHORT, "method=asvp", "method.aligned.phases.0.stop.epochs=2")
GATED = {"ped_steps", "logme", "logme_change"}  # notes of what the gate has seen, whatever decides


@dataclass(frozen=True)
class Stub(Gate):
    """A gate that has fixed scores in rounds 1, 2, ..."""

    scores: tuple[float | None, ...] = ()

    def read(self, features_LD: Tensor, targets_L: np.ndarray, scale: Scale) -> Reading:
        return Reading(2, self.scores[len(targets_L) // 20 - 1])


def with_gate(gate: Gate) -> Callable[[Experiment], None]:
    def prepare(exp: Experiment) -> None:
        assert isinstance(exp.method, Asvp)
        exp.method.gate = gate

    return prepare


def picks(folder: Path, rounds: int = 3) -> list[str]:
    lines = (folder / "picks.csv").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split(",")[0]) <= rounds]


def notes(lines: list[dict[str, Any]], name: str) -> list[float]:
    return [line["notes"].get(name) for line in lines]


def test_a_gate_that_never_fires_selects_as_svpp_and_trains_by_lp_ft(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    play_in(tmp_path / "svpp", configure(*SHORT, "method=svpp"))
    lines = play_in(tmp_path / "asvp", configure(*ASVP, "method.gate.threshold=0"))
    assert picks(tmp_path / "asvp") == picks(tmp_path / "svpp")
    assert notes(lines, "aligned") == [1, 1, 1]
    assert notes(lines, "features_computed") == [1, 1, 1]
    assert all(line["epochs"] == 2 + 2 + 3 for line in lines)


def test_a_gate_that_fires_changes_features_and_training_from_there_on(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    play_in(tmp_path / "svpp", configure(*SHORT, "method=svpp"))
    lines = play_in(tmp_path / "asvp", configure(*ASVP), prepare=with_gate(Stub(1.0, scores=(3.0, 2.5, 2.4))))
    assert notes(lines, "feature_update") == [0, 1, 0]  # one update at most
    assert notes(lines, "features_computed") == [1, 2, 2]
    assert notes(lines, "aligned") == [1, 0, 0]
    assert [line["epochs"] for line in lines] == [7, 5, 5]
    assert picks(tmp_path / "asvp", 2) == picks(tmp_path / "svpp", 2)
    assert picks(tmp_path / "asvp") != picks(tmp_path / "svpp")


def test_a_forced_update_is_the_gates(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    play_in(tmp_path / "forced", configure(*ASVP, "method.update_at=[40]"))
    play_in(tmp_path / "gate", configure(*ASVP), prepare=with_gate(Stub(1.0, scores=(3.0, 2.5, 2.4))))
    forced, gate = result_of(tmp_path / "forced"), result_of(tmp_path / "gate")
    for line in [*forced[0], *gate[0]]:
        line["notes"] = {name: value for name, value in line["notes"].items() if name not in GATED}
    assert forced == gate


def test_logme_is_not_asked_where_ped_takes_one_step_or_none() -> None:
    class Refusing(LogME):
        def __call__(self, features_LD: Tensor, targets_L: np.ndarray) -> float:
            raise AssertionError

    features_LD = torch.eye(2).repeat_interleave(5, dim=0) + 0.001 * torch.rand(10, 2)
    targets_L = np.arange(2).repeat(5)
    reading = Gate(1.0, PED(), Refusing()).read(features_LD, targets_L, scale_of([features_LD]))
    assert reading == Reading(0, None)
    generator = torch.manual_seed(0)
    mixed_LD = torch.randn(40, 3, generator=generator)
    one = Gate(1.0, PED(max_steps=1), Refusing())
    assert one.read(mixed_LD, np.arange(40) % 2, scale_of([mixed_LD])) == Reading(1, None)
    scored = Gate(1.0).read(mixed_LD, np.arange(40) % 2, scale_of([mixed_LD]))
    assert scored.steps > 1
    assert scored.score is not None


def test_scores_are_compared_only_in_consecutive_rounds_and_of_the_same_features(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    words = (*ASVP, "budget.rounds=6", "method.max_updates=null")
    gate = Stub(1.0, scores=(3.0, None, 3.0, 3.0, 3.0, 3.0))
    lines = play_in(tmp_path / "run", configure(*words), prepare=with_gate(gate))
    assert notes(lines, "feature_update") == [0, 0, 0, 1, 0, 1]
    assert notes(lines, "features_computed") == [1, 1, 1, 2, 2, 3]


def test_a_round_that_only_updates_has_no_metrics(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    words = (*ASVP, "method.update_at=[40]", "method.evaluate_at=last")
    lines = play_in(tmp_path / "run", configure(*words))
    assert [line["test"]["test"]["accuracy"] is None for line in lines] == [True, True, False]
    assert ["train_full" in line["seconds"] for line in lines] == [False, True, True]


def test_without_feature_alignment_the_features_stay_and_training_changes(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    play_in(tmp_path / "svpp", configure(*SHORT, "method=svpp"))
    words = (*ASVP, "method.update_at=[40]", "method.feature_alignment=false")
    lines = play_in(tmp_path / "run", configure(*words))
    assert picks(tmp_path / "run") == picks(tmp_path / "svpp")
    assert notes(lines, "features_computed") == [1, 1, 1]
    assert notes(lines, "aligned") == [1, 0, 0]


def test_without_training_alignment_the_network_is_fine_tuned_from_the_beginning(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    lines = play_in(tmp_path / "run", configure(*ASVP, "method.update_at=[40]", "method.training_alignment=false"))
    assert notes(lines, "aligned") == [0, 0, 0]
    assert notes(lines, "features_computed") == [1, 2, 2]


def test_features_after_an_update_are_those_of_the_fine_tuned_network(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    play_in(tmp_path / "run", configure(*ASVP, "method.update_at=[40]", "record.keep_states=true"))
    second, third = (torch.load(tmp_path / "run" / f"state-{number}.pt") for number in (2, 3))
    for name, tensor in second["full"]["net"].items():
        assert torch.equal(second["sight"]["backbone"][name], tensor)
        assert torch.equal(third["sight"]["backbone"][name], tensor)


def test_a_run_begins_again_from_a_rounds_state_with_the_same_choices(
    play: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    """A run of two rounds that goes on for a third, after the update, against an unbroken one."""
    words = (*ASVP, "method.update_at=[40]")
    for rounds in (2, 3):
        answer = play(*words, f"budget.rounds={rounds}")
        assert answer.code == 0, answer.err
    broken = run_folder()
    assert play(*words, f"paths.outputs={tmp_path / 'whole'}").code == 0
    (whole,) = (path.parent for path in (tmp_path / "whole").rglob("picks.csv"))
    assert picks(broken) == picks(whole)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("method.update_at=soon",),
            "method.update_at wants 'gate' or a list in which each is a whole number, got 'soon'",
        ),
        (("method.update_at=[50]",), "method.update_at names [50] labels, but the rounds have [20, 40, 60]"),
        (("method.gate.threshold=-1",), "method.gate.threshold wants at least 0"),
        (("method.gate.logme.null_space=both",), "null_space"),
        (("method.gate.ped.max_steps=0",), "ped.max_steps wants at least 1"),
    ],
)
def test_what_cannot_work_is_refused(
    words: tuple[str, ...], says: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert says in refusal("run", *small, "method=asvp", *words)
