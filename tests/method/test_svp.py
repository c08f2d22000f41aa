"""Selection via proxy: which network selects, which is evaluated, and what a kill inside either fit leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

import calrun
from calrun.check.lightning import trainer_arguments
from calrun.experiment import Experiment, build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.method.svp import Svp, added, counts_of, strangers
from calrun.part.setup import Work

PlayIn = Callable[..., list[dict[str, Any]]]
SHORT = ("trainer.max_epochs=2", "method.proxy.stop.epochs=3", "acquisition=margin", "model.hidden=[8]")
PROXIES = {
    "svp": ("method=svp", "+model@method.sight.model=lenet", "method.sight.model.hidden=4"),
    "svpp": ("method=svpp",),
    "asvp": ("method=asvp", "method.aligned.phases.0.stop.epochs=2", "method.update_at=[40]"),
}


class Killed(Exception):
    """Stands for the end of a process."""


def accuracies(lines: list[dict[str, Any]]) -> list[float | None]:
    return [line["test"]["test"]["accuracy"] for line in lines]


def lives(cfg: DictConfig, folder: Path, epochs: int) -> int:
    """Plays a run whose process ends after this many epochs, again and again; returns how often it began."""
    number, left = 0, True
    while left:
        exp, record, seen = build(cfg), Record(folder, {"run_id": "0", "data_fingerprint": "1"}), list[int]()

        def die(*figures: Any, seen: list[int] = seen) -> None:
            seen.append(1)
            if len(seen) > epochs:
                raise Killed

        try:
            run(exp, record, Fitter(trainer_arguments(cfg.trainer), 0.0, die))
            left = False
        except Killed:
            number += 1
            assert number < 40, [*folder.rglob("*")]
        finally:
            record.close()
    return number + 1


@pytest.mark.parametrize(
    "name", [name if name == "asvp" else pytest.param(name, marks=pytest.mark.slow) for name in PROXIES]
)
def test_a_run_killed_inside_any_fit_ends_as_the_unbroken_one(
    name: str, configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    cfg = configure(*SHORT, *PROXIES[name], "trainer.batch_size=8")
    play_in(tmp_path / "unbroken", cfg)
    assert lives(cfg, tmp_path / "broken", epochs=2) > 5
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "unbroken")
    ours, theirs = (torch.load(tmp_path / place / "state-3.pt") for place in ("broken", "unbroken"))
    for part in ("full", "proxy"):
        assert all(torch.equal(ours[part]["net"][key], tensor) for key, tensor in theirs[part]["net"].items())
    assert not [*(tmp_path / "broken").rglob("phase-*")]


def test_each_network_is_trained_as_its_method_alone_would_train_it(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    """With random rows, the full network of svpp is that of finetune, bit for bit."""
    words = ("acquisition=random", "model.hidden=[8]")
    play_in(tmp_path / "alone", configure(*words, "method=finetune"))
    play_in(tmp_path / "svpp", configure(*words, "method=svpp"))
    alone, beside = (torch.load(tmp_path / place / "state-3.pt") for place in ("alone", "svpp"))
    assert all(torch.equal(beside["full"]["net"][name], tensor) for name, tensor in alone["net"].items())


@pytest.mark.parametrize(
    ("at", "evaluated"), [("every", [1, 2, 3]), ("last", [3]), ("[20]", [1, 3]), ("[40,60]", [2, 3])]
)
def test_the_full_network_is_trained_where_it_is_evaluated(
    at: str, evaluated: list[int], configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    lines = play_in(tmp_path / "run", configure(*SHORT, "method=svpp", f"method.evaluate_at={at}"))
    known = [line["round"] for line, accuracy in zip(lines, accuracies(lines), strict=True) if accuracy is not None]
    trained = [line["round"] for line in lines if "train_full" in line["seconds"]]
    assert known == trained == evaluated
    assert all(line["epochs"] == 3 + 2 * (line["round"] in evaluated) for line in lines)
    parts = {"fit", "train_proxy", "precompute"} | {"train_full"}
    for line in lines:
        own = {name: line["seconds"][name] for name in parts & line["seconds"].keys() if name != "fit"}
        assert sum(own.values()) == pytest.approx(line["seconds"]["fit"])


def test_what_is_evaluated_changes_no_choice(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    for at in ("every", "last"):
        play_in(tmp_path / at, configure(*SHORT, "method=svpp", f"method.evaluate_at={at}"))
    assert (tmp_path / "every" / "picks.csv").read_text() == (tmp_path / "last" / "picks.csv").read_text()


def test_the_backbone_sees_each_row_once(configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path) -> None:
    computed: list[tuple[int, int]] = []

    def watch(exp: Experiment) -> None:
        assert isinstance(exp.method, Svp)
        store = exp.method.setup_.feature_store
        inner = store.source

        def source(net: Any, rows: Any, predictor: Any) -> Any:
            computed.append((len(rows), len(exp.data.train)))
            return inner(net, rows, predictor)

        store.source = source  # type: ignore[method-assign]

    play_in(tmp_path / "run", configure(*SHORT, "method=svpp", "initial=kmeans"), prepare=watch)
    assert computed == [(200, 200)]


def test_features_of_one_network_are_the_same_in_every_round(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    play_in(tmp_path / "run", configure(*SHORT, "method=svpp", "record.keep_states=true"))
    states = [torch.load(tmp_path / "run" / f"state-{number}.pt") for number in (1, 2, 3)]
    for name, tensor in states[0]["sight"]["backbone"].items():
        assert all(torch.equal(state["sight"]["backbone"][name], tensor) for state in states)
    first, last = (states[at]["proxy"]["net"]["backbone.0.weight"] for at in (0, 2))
    assert first.shape == (8, 8)  # d to d
    assert not torch.equal(first, last)


def test_a_run_without_evaluated_rounds_in_it_is_shown_and_used(
    play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    answer = play(*SHORT, "method=svpp", "method.evaluate_at=last")
    assert answer.code == 0, answer.err
    assert "accuracy      -" in answer.out
    folder = run_folder()
    assert "finished" in calrun("status", str(folder)).out
    report = calrun("report", str(folder.parent), "--out", str(tmp_path / "report"))
    assert report.code == 0, report.err
    again = play(*SHORT, "method=svpp", "method.evaluate_at=last")
    assert again.code == 0, again.err
    assert "finished  accuracy" in again.out


def test_an_interrupted_run_gives_the_last_network_that_was_evaluated(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    words = (*SHORT, "method=svpp", "record.keep_states=true", "method.evaluate_at=[40]", "budget.rounds=4")
    assert play(*words).code == 0
    folder = run_folder()
    with pytest.raises(ValueError, match="has evaluated no round up to round 1"):
        calrun.load(folder, 1)
    second, third = (calrun.load(folder, number).net.state_dict() for number in (2, 3))
    assert all(torch.equal(third[name], tensor) for name, tensor in second.items())
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [accuracy is None for accuracy in accuracies(lines)] == [True, False, True, False]


def test_a_longer_run_goes_on_from_a_shorter_one(
    play: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    words = (*SHORT, "method=svpp", "method.evaluate_at=[40]")
    for rounds in (2, 3):
        assert play(*words, f"budget.rounds={rounds}").code == 0
    picks = (run_folder() / "picks.csv").read_text()
    assert play(*words, f"paths.outputs={tmp_path / 'whole'}").code == 0
    (whole,) = (tmp_path / "whole").rglob("picks.csv")
    assert whole.read_text() == picks


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("method.evaluate_at=sometimes",),
            "method.evaluate_at wants 'every' or 'last' or a list in which each is a whole number, got 'sometimes'",
        ),
        (("method.evaluate_at=[30]",), "method.evaluate_at names [30] labels, but the rounds have [20, 40, 60]"),
        (("method.sight.batch_size=1",), "method.sight.batch_size wants at least 2, got 1"),
        (("acquisition=bald",), "dropout"),
        (("budget.start=1",), "BatchNorm cannot normalise one row"),
    ],
)
def test_what_cannot_work_is_refused(
    words: tuple[str, ...], says: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert says in refusal("run", *small, "method=svpp", *words)


def test_numbers_of_labels_are_scaled_with_the_budget() -> None:
    assert counts_of("x", [600, 200], ("every",), 0.1) == (20, 60)
    assert strangers("x", (20,), [10, 20]) == []
    for bad in ([], [0], [True], "last"):
        with pytest.raises(ValueError, match="x wants every or a list"):
            counts_of("x", bad, ("every",), 1.0)


def test_work_adds_up() -> None:
    assert added(Work(1, 2, 3, 4), Work(10, 20, 30, 40)) == Work(11, 22, 33, 44)


def test_an_acquisition_of_round_1_looks_at_pre_trained_features(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    lines = play_in(tmp_path / "run", configure(*SHORT, "method=svpp", "initial=activeft", "acquisition=activeft"))
    assert [line["labelled"] for line in lines] == [20, 40, 60]
    picks = np.loadtxt(tmp_path / "run" / "picks.csv", delimiter=",", skiprows=1, usecols=2, dtype=int)
    assert len(set(picks.tolist())) == 60
