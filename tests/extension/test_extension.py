"""Ten kinds of things that calrun does not have: new files alone add each of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Survives = Callable[..., list[dict[str, Any]]]
DIGITS = ("dataset.num_train=200", "model.hidden=[16]")


def without_picks(lines: list[dict[str, Any]]) -> list[Any]:
    return [(line["test"], line["train_accuracy"], line["steps"]) for line in lines]


def test_a_head_with_a_loss_and_a_score_of_its_own(
    survives: Survives, extended: Callable[..., Any], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Learning Loss. Weight 0 trains round 1 as a plain run does, bit for bit."""
    lines = survives("learning_loss", *DIGITS, "acquisition=highest_loss")
    results = {}
    for name, words in (("plain", ()), ("zero", ("acquisition=highest_loss", "acquisition.weight=0"))):
        assert extended("learning_loss", *DIGITS, *words, outputs=name).code == 0
        (path,) = (tmp_path / name).rglob("rounds.jsonl")
        results[name] = result_of(path.parent)[0][0]
    assert without_picks([results["plain"]]) == without_picks([results["zero"]])
    assert without_picks(lines[:1]) != without_picks([results["plain"]])


@pytest.mark.parametrize("method", ["al", "cal_er"])
def test_a_recorder_that_an_acquisition_and_a_loss_read(survives: Survives, method: str) -> None:
    """TiDAL."""
    lines = survives("tidal", *DIGITS, "acquisition=dynamics", f"method={method}")
    assert lines[0]["notes"]["recorded_mass"] == pytest.approx(1)


@pytest.mark.parametrize("method", ["al", "al_ws"])
def test_an_acquisition_that_looks_at_the_round_before(survives: Survives, method: str) -> None:
    """TOD."""
    lines = survives("tod", *DIGITS, "acquisition=discrepancy", f"method={method}", "budget.rounds=2")
    assert lines[0]["notes"]["mean_discrepancy"] > 0


def test_the_round_before_is_there_when_a_run_is_extended(
    extended: Callable[..., Any], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    words = (*DIGITS, "acquisition=discrepancy", "method=al_ws")
    for outputs, rounds in (("unbroken", 3), ("extended", 2), ("extended", 3)):
        assert extended("tod", *words, f"budget.rounds={rounds}", outputs=outputs).code == 0
    picks = [next((tmp_path / outputs).rglob("picks.csv")).read_text() for outputs in ("unbroken", "extended")]
    assert picks[0] == picks[1]


def test_an_observer_that_passes_over_the_pool_after_each_epoch(survives: Survives) -> None:
    """TracInCP."""
    lines = survives("tracin", *DIGITS, "acquisition=influence")
    assert lines[0]["notes"]["epochs_seen"] == 4
    assert lines[0]["samples_forward"] == 4 * 20 + 4 * 200  # the looks are work


@pytest.mark.parametrize(("least", "answers"), [(0.0, [1.0, 1.0]), (1.1, [1.0, 0.0])])
def test_a_small_network_answers_for_the_candidates(survives: Survives, least: float, answers: list[float]) -> None:
    """SVPp, and ASVP's gate, which looks at the labels once they are there."""
    lines = survives("svp", *DIGITS, "method=toy_svp", f"method.least_accuracy={least}", killed_after=14)
    assert [line["notes"]["answers_small"] for line in lines] == answers


def test_a_loss_on_features_with_weights_by_row_and_averaged_weights(survives: Survives) -> None:
    """GRAD-MATCH and SWA."""
    survives("loss_and_weights", *DIGITS, "method=matched")


@pytest.mark.parametrize("method", ["al", "cal_mir", "cal_der"])
@pytest.mark.parametrize("words", [("model=bag",), ("dataset.sparse=true",)])
def test_ragged_and_sparse_rows(survives: Survives, words: tuple[str, ...], method: str) -> None:
    replay = [] if method == "al" else ["method.visit.replay_size=4"]
    learning = ("optimizer.lr=0.2", "trainer.max_epochs=10")
    lines = survives("ragged", "dataset=toy_text", *words, f"method={method}", *replay, *learning, killed_after=12)
    assert lines[-1]["test"]["test"]["accuracy"] > 0.6


@pytest.mark.parametrize("method", ["al", "cal_der", "cal_mir", "cal_sds2"])
def test_a_label_for_each_pixel(survives: Survives, method: str) -> None:
    words = [f"method={method}", *([] if method == "al" else ["method.visit.replay_size=4"])]
    learning = ("optimizer.lr=0.3", "trainer.max_epochs=10")
    lines = survives(
        "segmentation", "dataset=stripes", "model=pixel_net", "task=segmentation", *words, *learning, killed_after=12
    )
    assert lines[-1]["test"]["test"]["accuracy"] > 0.6
    assert 0 < lines[-1]["test"]["test"]["mean_iou"] < 1
    assert sum(lines[0]["class_counts"]) == 20 * 30  # pixels, without the column that is nobody's


def test_rows_between_data_set_and_pool(survives: Survives, tmp_path: Path) -> None:
    survives("row_transform", *DIGITS, "row_transform=odd")
    config = next((tmp_path / "unbroken").rglob("config.yaml")).read_text()
    assert "toy_rows.LongTail" in config


def test_an_oracle_that_answers_later(
    extended: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    """Rounds and rows are those of a run that knows all labels from the beginning."""
    from calrun.dataset.digits import load
    from calrun.dataset.source.transform import Transform

    labels = tmp_path / "labels.csv"
    labels.write_text("")
    words = ("dataset=unlabelled_digits", "optimizer.lr=0.05", "oracle=by_hand", f"oracle.path={labels}")
    truth = load(Transform(None, None), 200, 0).train.targets
    for number in (1, 2):
        answer = extended("human", *words)
        assert answer.code == 3, answer
        assert f"labels wanted for round {number}: 20 of 20 are missing" in answer.err
        assert "Traceback" not in answer.err
        assert "labels wanted" in calrun("status", str(tmp_path / "unbroken")).out
        (folder,) = [path.parent for path in (tmp_path / "unbroken").rglob("config.yaml")]
        assert json.loads((folder / "status.json").read_text())["state"] == "labels wanted"
        wanted = (folder / f"wanted-{number}.txt").read_text().split()
        with labels.open("a") as file:
            file.writelines(f"{item},{truth[int(item)]}\n" for item in wanted)
    answer = extended("human", *words)
    assert answer.code == 0, answer.err
    picks = (folder / "picks.csv").read_text().splitlines()[1:]
    assert [line.split(",")[4] for line in picks] == [str(truth[int(line.split(",")[2])]) for line in picks]
    rows = [int(line.split(",")[2]) for line in picks]
    assert len(np.unique(rows)) == 40
    plain = ("mean=null", "std=null", "crop_padding=0")
    same = ("optimizer.lr=0.05", *(f"dataset.transform.{word}" for word in plain))
    assert extended("human", *DIGITS[:1], *same, outputs="simulated").code == 0
    (simulated,) = [path.parent for path in (tmp_path / "simulated").rglob("config.yaml")]
    assert result_of(simulated) == result_of(folder)


def test_labels_of_the_wrong_kind_are_refused(extended: Callable[..., Any], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{item},nonsense\n" for item in range(200)))
    answer = extended("human", "dataset=unlabelled_digits", "oracle=by_hand", f"oracle.path={labels}")
    assert answer.code == 2
    assert "nonsense" in answer.err


def test_a_cheat_is_refused_where_nobody_knows_the_labels(extended: Callable[..., Any], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("")
    words = ("dataset=unlabelled_digits", "oracle=label_file", f"oracle.path={labels}", "initial=class_balanced")
    answer = extended("human", *words)
    assert answer.code == 2
    assert "does not know labels that nobody has given" in answer.err
