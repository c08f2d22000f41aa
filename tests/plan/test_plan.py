"""`calrun plan`: what it says beforehand, against what runs then do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calrun.acquisition.kernel.cost import Cost
from calrun.experiment import build
from calrun.plan.plan import Plan, ScorePlan, SelectPlan, composed, needed_bytes, plan
from calrun.plan.rates import Rates, measure
from calrun.plan.table import remarks, round_cells, seconds_text, size_text

Typed = Callable[..., Any]
FIXED = ("stop=fixed_epochs", "model=cnn")


def planned(small: tuple[str, ...], *overrides: str) -> Plan:
    return plan(composed([*small, *overrides]))


@pytest.mark.parametrize(
    "overrides",
    [
        ("method=al",),
        ("method=cal_er",),
        ("method=cal_mir",),
        ("method=cal_der",),
        ("method=lp_ft", "stop=early_stopping", "val_fraction=0.2"),
    ],
)
def test_training_is_foretold_to_the_step_and_the_sample(
    overrides: tuple[str, ...], small: tuple[str, ...], tmp_path: Path, play_in: Typed
) -> None:
    words = [*FIXED, *overrides]
    foretold = planned(small, *words)
    lines = play_in(tmp_path / "run", composed([*small, *words]))
    assert [each.number for each in foretold.rounds] == [0, *(line["round"] for line in lines)]
    for each, line in zip(foretold.rounds[1:], lines, strict=True):
        assert each.labelled == line["labelled"]
        assert each.fit.steps_per_epoch * each.fit.epochs == line["steps"]
        assert each.fit.epochs == line["epochs"]
        samples = line["samples_forward"] + 2 * line["samples_backward"]
        validated = 40 * 2 if "val_fraction=0.2" in overrides else 0  # in the phase that stops early
        assert each.fit.flops == (samples + validated) * foretold.forward_flops


@pytest.mark.parametrize("method", ["al", "cal_der"])
def test_states_are_as_large_as_foretold(method: str, small: tuple[str, ...], tmp_path: Path, play_in: Typed) -> None:
    words = [*FIXED, f"method={method}", "record.keep_states=true"]
    foretold = planned(small, *words)
    play_in(tmp_path / "run", composed([*small, *words]))
    for each in foretold.rounds[1:]:
        on_disk = (tmp_path / "run" / f"state-{each.number}.pt").stat().st_size
        assert each.state_bytes <= on_disk < each.state_bytes + 30_000  # names and alignment
    assert foretold.disk_bytes == sum(each.state_bytes for each in foretold.rounds)


@pytest.mark.parametrize(
    ("acquisition", "passes"),
    [("badge", 180), ("coreset", 180 + 20), ("bald", 180 * 10), ("random", 0), ("deepfool", 0)],
)
def test_scoring_is_foretold_to_the_row_and_the_byte(acquisition: str, passes: int, small: tuple[str, ...]) -> None:
    words = [*small, *FIXED, "model=lenet", f"acquisition={acquisition}"]
    foretold = planned(small, *words)
    score = foretold.rounds[1].score
    assert score is not None
    assert score.flops == passes * foretold.forward_flops
    exp = build(composed(words))
    exp.pool.label(exp.pool.unlabelled[:20], 1)
    this_round = exp.round(1, Path())
    columns = exp.method.candidates(exp.acquisition, this_round).columns
    assert score.columns == {name: getattr(column, "nbytes", 0) for name, column in columns.items()}


def test_the_initial_choice_is_foretold_and_the_last_round_chooses_nothing(small: tuple[str, ...]) -> None:
    rounds = planned(small, "initial=kmeans").rounds
    assert rounds[0].fit.epochs == 0
    assert rounds[0].score is not None
    assert rounds[0].score.rows == 200
    assert rounds[0].select is not None
    assert rounds[0].select.name == "KMeansSampling"
    assert (rounds[-1].score, rounds[-1].select) == (None, None)


def test_a_selection_beyond_the_free_memory_is_named_with_a_way_out(small: tuple[str, ...]) -> None:
    foretold = planned(
        small, "model=lenet", "acquisition=batch_bald", "acquisition.num_samples=1000000000", "acquisition.prefilter=30"
    )
    assert foretold.needed_bytes > foretold.free_bytes
    assert len(foretold.problems) == 2
    assert foretold.problems[0].startswith("round 1: acquisition=BatchBald needs 2.24e+03 GiB, ")
    assert "are free; choose acquisition.prefilter" in foretold.problems[0]
    assert remarks(foretold)[-1].startswith("does not fit: round 2: ")


def test_a_selection_that_would_be_refused_is_named_before_anything_is_trained(small: tuple[str, ...]) -> None:
    foretold = planned(small, "model=lenet", "acquisition=batch_bald", "acquisition.num_samples=2000000000")
    assert "wanted at most 1e+16; set acquisition.prefilter" in foretold.problems[0]


def test_memory_is_that_of_joining_the_columns_or_of_choosing() -> None:
    score = ScorePlan(10, 0.0, 0.0, {"features": 100, "logits": 20})
    assert needed_bytes(score, SelectPlan("x", 0.0, 50.0, 0.0)) == 170
    assert needed_bytes(score, SelectPlan("x", 0.0, 50.0, 0.0), processes=2) == 360
    assert needed_bytes(score, SelectPlan("x", 0.0, 500.0, 0.0)) == 620
    assert needed_bytes(None, None) == 0


def test_seconds_are_those_of_each_kind_of_work_one_after_the_other() -> None:
    rates = Rates(flops=10.0, bytes_moved=100.0, functions=1000.0, calls=5.0)
    assert rates.seconds(Cost(20.0, 300.0, 7.0, 4000.0, 25.0)) == 2 + 3 + 4 + 5


def test_rates_are_those_of_a_computer() -> None:
    rates = measure(torch.empty(0).device)
    assert 1e8 < rates.flops < 1e15
    assert 1e8 < rates.bytes_moved < 1e13
    assert 1e6 < rates.functions < 1e13
    assert 1e3 < rates.calls < 1e8


def test_the_table_has_a_line_for_each_round_and_their_sum(
    small: tuple[str, ...], calrun: Typed, tmp_path: Path
) -> None:
    answer = calrun("plan", *small, "acquisition=coreset")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["round", "initial", "1", "2", "3", "total"]
    assert len({len(line) for line in lines[:6]}) == 1
    assert "columns at their largest: features" in answer.out
    assert "GFLOP/s in products" in answer.out
    assert lines[-1].startswith("fits: at most")
    assert not (tmp_path / "outputs").exists()


def test_json_holds_the_numbers_of_the_table(small: tuple[str, ...], calrun: Typed) -> None:
    answer = calrun("plan", *small, "--json", "acquisition=badge")
    foretold = json.loads(answer.out)
    assert answer.code == 0
    assert [each["labelled"] for each in foretold["rounds"]] == [0, 20, 40, 60]
    assert foretold["rounds"][1]["score"]["columns"].keys() == {"features", "logits"}
    for kind in ("fit", "score", "select"):
        parts = [each[kind] for each in foretold["rounds"] if each[kind] is not None]
        for name in ("flops", "seconds"):
            assert foretold["totals"][kind][name] == pytest.approx(sum(part[name] for part in parts))
    assert foretold["problems"] == []


@pytest.mark.parametrize("word", ["acquisition=banana", "budget.start=900", "nokey=1", "stop=early_stopping"])
def test_mistakes_are_the_sentences_of_a_run(word: str, small: tuple[str, ...], refusal: Typed) -> None:
    assert refusal("plan", *small, word) == refusal("run", *small, word)


def test_flags_of_a_multirun_are_refused(refusal: Typed) -> None:
    assert "plan takes GROUP=OPTION and KEY=VALUE, got '-m'" in refusal("plan", "-m", "seed=0,1")


def test_options_of_ones_own_can_be_planned(small: tuple[str, ...], calrun: Typed, tmp_path: Path) -> None:
    (tmp_path / "conf" / "acquisition").mkdir(parents=True)
    target = "_target_: calrun.acquisition.random.RandomRows\n"
    (tmp_path / "conf" / "acquisition" / "own.yaml").write_text(target)
    answer = calrun("plan", *small, "acquisition=own", "--json", "--config-dir", str(tmp_path / "conf"))
    assert answer.code == 0, answer
    assert json.loads(answer.out)["rounds"][1]["select"]["name"] == "RandomRows"


def test_sizes_and_times_are_told_in_units_that_suit_them(small: tuple[str, ...]) -> None:
    assert [size_text(size) for size in (0, 2048, 3 * 2**20, 5.5 * 2**30)] == [
        "0.0 KiB",
        "2.0 KiB",
        "3.0 MiB",
        "5.5 GiB",
    ]
    times = [seconds_text(seconds) for seconds in (0.0004, 0.25, 61.25, 150, 9000)]
    assert times == ["0.4 ms", "250.0 ms", "61.2 s", "2.5 min", "2.5 h"]


def test_a_round_has_as_many_cells_as_the_table_has_headers(small: tuple[str, ...]) -> None:
    foretold = planned(small)
    assert {len(round_cells(each)) for each in foretold.rounds} == {14}
