"""Pools with rows of unknown classes: what they are, what they cost, that nothing learns from them, and reports."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.base import NO_CLASS, Dataset
from calrun.dataset.source.held_out import hold_out
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.experiment import build
from calrun.method.svp import wanted_at
from calrun.method.visit import AllLabelled, Newest, Replay, refuse_unlabelled
from calrun.pool import Pool
from calrun.report.draw.panels import panels
from calrun.report.read.runs import read
from calrun.report.table.unknown_table import unknown_table
from calrun.round import Round
from calrun.row_transform.open_set import OpenSet

Typed = Callable[..., Any]
OPEN = "{_target_:calrun.row_transform.open_set.OpenSet,classes:['1','2'],share:null,seed:0}"
ROWS = {
    "imbalance": "{_target_:calrun.row_transform.imbalance.Imbalance,ratio:2,shape:step,largest:null,seed:0}",
    "redundancy": "{_target_:calrun.row_transform.redundancy.Redundancy,factor:4,unique:40,copies:exact,seed:0}",
    "per_class": "{_target_:calrun.row_transform.per_class.PerClass,count:15,seed:0}",
}


def rows_of(targets: Any) -> Resident:
    targets_N = np.asarray(targets)
    return Resident(torch.arange(float(len(targets_N)))[:, None], targets_N, Transform([0.0], [1.0]))


def animals(**more: Any) -> Dataset:
    train, test = rows_of([0, 1, 2, 3] * 5), rows_of([3, 2, 1, 0, 3, 1])
    return Dataset(train, {"test": test}, 4, ["ape", "bat", "cat", "dog"], (1,), **more)


@pytest.fixture
def pool() -> Pool:
    """Ten rows, of which 1, 4 and 7 have no class; rounds 1, 2 and 3 bought 4, 2 and 2 rows."""
    pool = Pool.simulated(np.where(np.arange(10) % 3 == 1, NO_CLASS, np.arange(10) % 2), num_classes=2)
    for number, rows in enumerate(([0, 1, 2, 3], [7, 4], [5, 6]), start=1):
        pool.label(np.array(rows), number)
    return pool


def test_known_classes_keep_their_order_and_other_splits_lose_the_unknown_ones() -> None:
    further = {"made/fog": rows_of([1, 2, 3])}
    data = OpenSet(["bat"], None, 0).apply(animals(val=rows_of([1, 1, 2]), further=further))
    assert (data.num_classes, data.class_names, data.unknown_classes) == (3, ["ape", "cat", "dog"], ["bat"])
    assert data.train.targets.tolist() == [0, NO_CLASS, 1, 2] * 5
    assert [data.train.item_id(row) for row in range(20)] == [str(row) for row in range(20)]
    assert data.tests["test"].targets.tolist() == [2, 1, 0, 2]
    assert next(data.tests["test"].batches(np.arange(4), 4))[1].flatten().tolist() == [0, 1, 3, 4]
    assert data.val is not None
    assert data.val.targets.tolist() == [1]
    assert data.further["made/fog"].targets.tolist() == [1, 2]
    assert not data.train.is_part


def test_a_larger_share_has_the_classes_of_a_smaller_one_and_the_seed_decides() -> None:
    names = [str(c) for c in range(10)]
    few, more, other = (set(np.flatnonzero(OpenSet(None, *each).unknown_of(names))) for each in
                        ((0.3, 0), (0.8, 0), (0.3, 1)))  # fmt: skip
    assert (len(few), len(more)) == (3, 8)
    assert few < more
    assert few != other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((None, None), r"wants row_transform.classes=\[NAME,...\] or row_transform.share, but came neither"),
        ((["bat"], 0.5), "but came both"),
        ((None, 1.0), "above 0 and below 1, got 1"),
        (("bat", None), r"wants a list of names, got 'bat'; write \[bat\]"),
        ((["cow", "bat"], None), r"names 1 classes that the data set does not have \(first: \['cow'\]\); its classes"),
        ((None, 0.1), "but of 4 classes 4 are known"),
        ((["ape", "bat", "cat"], None), "wants 1 unknown class or more and 2 known ones, but of 4 classes 1 are known"),
        (([], None), "but of 4 classes 4 are known"),
    ],
)
def test_what_is_impossible_is_said(words: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OpenSet(*words, 0).apply(animals())


def test_a_split_of_unknown_classes_alone_and_a_class_of_their_name_are_refused() -> None:
    with pytest.raises(ValueError, match="leaves no row in the val split"):
        OpenSet(["bat"], None, 0).apply(animals(val=rows_of([1])))
    with pytest.raises(ValueError, match="calls rows 'unknown class', which is a class here"):
        OpenSet(None, 0.5, 0).unknown_of(["a", "b", "unknown class"])


def test_what_was_bought_in_vain_costs_and_is_not_among_the_labelled(pool: Pool) -> None:
    assert pool.num_bought == 8
    assert pool.labelled.tolist() == [0, 2, 3, 5, 6]
    assert pool.labelled_in(1).tolist() == [0, 2, 3]
    assert pool.labelled_in(2).tolist() == []
    assert pool.history(3).tolist() == [0, 2, 3]
    assert pool.unlabelled.tolist() == [8, 9]
    assert pool.targets_of(np.array([1, 2])).tolist() == [NO_CLASS, 0]


def test_an_oracle_that_answers_minus_one_is_still_refused() -> None:
    pool = Pool.simulated(np.array([0, -1, 1]), num_classes=2)
    with pytest.raises(ValueError, match="wants 2 labels from 0 to 1"):
        pool.label(np.array([0, 1]), 1)


def test_no_step_visits_them_and_a_round_of_them_alone_is_refused(pool: Pool, tmp_path: Path) -> None:
    later, second = (Round(number, 4, 1, 0, pool, tmp_path) for number in (3, 2))
    steps = AllLabelled().epoch(later, 0, 2)
    assert sorted(np.concatenate([step.current for step in steps]).tolist()) == [0, 2, 3, 5, 6]
    assert set(Replay(8).epoch(later, 0, 2)[0].replay.tolist()) == {0, 2, 3}
    message = "round 2 has nothing to train on, for all 2 rows bought for it are of unknown classes; let the budget"
    for visit in (Newest(), Replay(8)):
        with pytest.raises(ValueError, match=message):
            refuse_unlabelled(visit.epoch(second, 0, 2), second)

    class Own(Newest):
        def current_rows(self, this_round: Round) -> np.ndarray:
            return this_round.pool.bought[1]

    with pytest.raises(ValueError, match=r"visits 1 rows whose labels have not been bought \(first: \[1\]\)"):
        refuse_unlabelled(Own().epoch(later, 0, 8), later)


def test_the_validation_split_has_known_classes_and_the_pool_its_size() -> None:
    data = OpenSet(["bat", "cat"], None, 0).apply(animals())
    plain, held_out = hold_out(animals(), 0.5, 1.0)
    held, open_held_out = hold_out(data, 0.5, 1.0)
    np.testing.assert_array_equal(open_held_out, held_out)
    assert held.val is not None
    assert plain.val is not None
    wanted = [target for target in plain.val.targets.tolist() if target in (0, 3)]
    assert held.val.targets.tolist() == [min(target, 1) for target in wanted]


def test_a_run_says_what_taught_nothing(play: Typed, run_folder: Callable[[], Path], tmp_path: Path) -> None:
    words = ("row_transform=open_set", "row_transform.classes=[3,8,9]", "val_fraction=0.2", "acquisition=coreset")
    answer = play(*words, "record.accuracy_by_round=true")
    assert answer.code == 0, answer.err
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    with (run_folder() / "picks.csv").open() as file:
        picks = list(csv.DictReader(file))
    for line in lines:
        so_far = [pick["class"] == "unknown class" for pick in picks if int(pick["round"]) <= line["round"]]
        own = [pick["class"] != "unknown class" for pick in picks if int(pick["round"]) == line["round"]]
        assert line["labelled"] == len(so_far) == sum(line["class_counts"]) + line["notes"]["unknown_class"]
        assert line["notes"]["unknown_class"] == sum(so_far) > 0
        assert line["notes"]["query_precision"] == pytest.approx(np.mean(own))
        assert len(line["class_counts"]) == 7
        assert line["samples_forward"] == 2 * (len(so_far) - sum(so_far))
    in_vain = int(lines[-1]["notes"]["unknown_class"])
    assert f"unknown class: {in_vain} of 60" in answer.out
    assert {pick["class"] for pick in picks} <= {*"0124567", "unknown class"}
    assert "unknown_classes:\n- '3'\n- '8'\n- '9'\n" in (run_folder() / "config.yaml").read_text()
    (table,) = unknown_table(next(panels(read([tmp_path]).table)))
    assert table.rows[0][-2].text == str(in_vain)


def test_columns_of_labelled_rows_are_those_of_known_classes(configure: Typed, tmp_path: Path) -> None:
    cfg = configure("row_transform=open_set", "row_transform.share=0.5", "acquisition=glister", "val_fraction=0.1")
    exp = build(cfg)
    exp.pool.label(exp.pool.unlabelled[:40], 1)
    exp.method.begin_round(exp.round(1, tmp_path))
    seen = exp.method.candidates(exp.acquisition, exp.round(1, tmp_path))
    assert 0 < len(seen.labelled_targets_L) == len(exp.pool.labelled) < 40
    assert seen.labelled_targets_L.min() >= 0
    assert len(seen.labelled_logits_LC) == len(exp.pool.labelled)
    assert len(seen.rows) == len(exp.pool) - 40


@pytest.mark.parametrize("before", ROWS)
def test_chains_end_with_it(before: str, play: Typed, refusal: Typed, small: tuple[str, ...]) -> None:
    answer = play("row_transform=chain", f"row_transform.transforms=[{ROWS[before]},{OPEN}]", "budget.rounds=1")
    assert answer.code == 0, answer.err
    words = ("run", *small, "row_transform=chain", f"row_transform.transforms=[{OPEN},{ROWS[before]}]")
    assert "rows are of unknown classes; put open_set last in row_transform.transforms" in refusal(*words)


def test_what_cannot_go_with_it_is_refused(refusal: Typed, small: tuple[str, ...], tmp_path: Path) -> None:
    words, chain = ("run", *small, "row_transform=open_set", "row_transform.share=0.3"), "row_transform=chain"
    assert "initial=BalancedRandom looks at the class of every row, but" in refusal(*words, "initial=class_balanced")
    twice = refusal("run", *small, chain, f"row_transform.transforms=[{OPEN},{OPEN}]")
    assert "rows are of unknown classes already; name all unknown classes in one open_set" in twice
    (tmp_path / "test.txt").write_text("3\n5\n")
    split = f"{{_target_:calrun.row_transform.split.Split,train_file:null,val_file:null,test_file:{tmp_path}/test.txt}}"
    said = refusal("run", *small, chain, f"row_transform.transforms=[{OPEN},{split}]")
    assert (
        "row_transform=split cannot divide rows of unknown classes; put it before open_set in row_transform.transforms"
        in said
    )


def test_people_may_answer_that_a_row_is_of_no_class(calrun: Typed, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.where(np.arange(40) < 20, rng.integers(0, 2, 40), -1)
    np.savez(tmp_path / "x.npz", x_train=rng.normal(size=(40, 4)), y_train=y, x_test=np.eye(4), y_test=[0, 1, 0, 1])
    labels = ["item,label", *(f"{item},unknown class" for item in range(20, 40))]
    (tmp_path / "labels.csv").write_text("\n".join(labels))
    words = (
        "dataset=npz",
        f"dataset.path={tmp_path / 'x.npz'}",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "budget=counts",
    )
    oracle = ("oracle=label_file", f"oracle.path={tmp_path / 'labels.csv'}")
    answer = calrun("run", *words, *oracle, "budget.start=20", "budget.step=20", "budget.rounds=2")
    assert answer.code == 0, answer.err
    assert "unknown class: 20 of 40" in answer.out


def test_a_validation_split_without_a_known_row_is_refused() -> None:
    first = hold_out(animals(), 0.05, 1.0)[0].val
    assert first is not None
    (target,) = first.targets.tolist()
    data = OpenSet([animals().class_names[target]], None, 0).apply(animals())
    with pytest.raises(ValueError, match=r"the rows of val_fraction 0\.05 are all of unknown classes; raise it"):
        hold_out(data, 0.05, 1.0)


def test_a_run_that_was_killed_after_it_bought_in_vain_goes_on_as_if_it_had_not_been(
    play: Typed, run_folder: Callable[[], Path], result_of: Typed
) -> None:
    words = ("row_transform=open_set", "row_transform.share=0.8", "budget.step=1", "acquisition=random")
    assert play(*words, "record.keep_states=true").code == 0
    folder, whole = run_folder(), result_of(run_folder())
    bought = [line.split(",") for line in (folder / "picks.csv").read_text().splitlines()]
    assert [(line[0], line[4]) for line in bought[-2:]] == [("2", "unknown class"), ("3", "unknown class")]
    (folder / "rounds.jsonl").write_text((folder / "rounds.jsonl").read_text().splitlines(keepends=True)[0])
    for number in (2, 3):
        (folder / f"state-{number}.pt").unlink()
    assert play(*words, "record.keep_states=true").code == 0
    assert result_of(folder) == whole


def test_numbers_of_labels_are_those_that_were_bought(pool: Pool, tmp_path: Path) -> None:
    assert wanted_at((8,), Round(3, 4, 1, 0, pool, tmp_path), "")
    assert not wanted_at((5,), Round(3, 4, 1, 0, pool, tmp_path), "")
