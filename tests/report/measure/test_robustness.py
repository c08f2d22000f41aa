import math
from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.measure.robustness import corruption_table, paired_difference
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def line(clean: float, fog: float, snow: float | None = None) -> list[dict[str, object]]:
    test = {"test": {"accuracy": clean}, "fog": {"accuracy": fog}}
    return [{"round": 1, "labelled": 10, "test": test | ({"snow": {"accuracy": snow}} if snow else {})}]


def test_each_corruption_over_seeds(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=line(0.9, 0.4, 0.6), seed=0)
    make_run([], lines=line(0.9, 0.6, 0.8), seed=1)
    table = corruption_table(read([tmp_path]).table, labelled=10)
    baseline = table[table["method"] == "al"].set_index("corruption")
    assert baseline["mean"].to_dict() == {"fog": pytest.approx(0.5), "snow": pytest.approx(0.7)}
    assert baseline["n"].tolist() == [2, 2]


def test_the_mean_of_a_group_is_no_test_set(make_run: MakeRun, tmp_path: Path) -> None:
    for method, own in (("al", {"c/fog": 0.4, "c/snow": 0.8}), ("cal_er", {"c/fog": 0.5})):
        tests = {"test": 0.9, **own, "c": sum(own.values()) / len(own)}
        line = {"round": 1, "labelled": 10, "test": {name: {"accuracy": value} for name, value in tests.items()}}
        make_run([], lines=[line], method=method)
    found = paired_difference(read([tmp_path]).table, labelled=10).set_index("method")["difference"]
    assert found["cal_er"] == pytest.approx(0.1)  # of fog alone


def test_a_run_is_paired_with_the_one_baseline_of_its_seed(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=line(0.9, 0.4, 0.6), seed=0)
    for lr in (0.1, 0.2):  # at this seed two settings leave open which is meant
        make_run([], lines=line(0.9, 0.6, 0.8), seed=1, tag=lr, leaves={"optimizer": {"lr": lr}})
    make_run([], lines=line(0.9, 0.7, 0.5), seed=0, method="cal_er")
    make_run([], lines=line(0.9, 0.7, 0.5), seed=1, method="cal_er")
    make_run([], lines=line(0.9, 0.6), seed=0, method="cal_sd")
    result = paired_difference(read([tmp_path]).table, labelled=10)
    found = result[result["method"] != "al"].set_index(["method", "seed"])["difference"]
    assert found["cal_er", 0] == pytest.approx((0.3 - 0.1) / 2)
    assert found["cal_sd", 0] == pytest.approx(0.2)
    assert math.isnan(found["cal_er", 1])
