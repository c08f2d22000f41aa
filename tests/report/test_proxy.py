"""What a report says of runs in which a proxy selects: regions, maps, the gate, labels saved, time of selecting."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from calrun.report.main import Report, report
from calrun.report.measure.alignment import baselines_of, cost_to_reach, costs, saving_and_gain
from calrun.report.measure.prices import Prices
from calrun.report.read.regions import NAMES, recorded_regions
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]
FOUND = {"O": [1, 2], "A1": [3], "A2": [], "B1": [4], "B2": [], "C": [5], "D": [6]}


def lines_of(accuracies: Sequence[float | None], **notes: Sequence[float | None]) -> list[dict[str, Any]]:
    """Rounds of a proxy: 100 labels more in each, 60 s of the full network, 10 of the proxy, 5 for features in one."""
    return [
        {
            "round": number,
            "labelled": 100 * number,
            "test": {"test": {"accuracy": accuracy}},
            "device": "cpu",
            "seconds": {"fit": 75.0, "train_full": 60.0, "train_proxy": 10.0, "precompute": 5.0 * (number == 1)}
            | ({} if number == len(accuracies) else {"score": 1.0, "select": 1.0}),
            "notes": {name: values[number - 1] for name, values in notes.items() if values[number - 1] is not None},
        }
        for number, accuracy in enumerate(accuracies, start=1)
    ]


def reported(folder: Path, prices: Prices | None = None) -> tuple[Report, Callable[[str], str]]:
    result = report([folder], folder / "report", prices=prices, console=Console(file=io.StringIO(), width=200))

    def said(ending: str) -> str:
        (path,) = [path for path in result.files if path.name.endswith(ending)]
        return path.read_text()

    return result, said


def test_regions_are_counted_mapped_and_drawn(make_run: MakeRun, tmp_path: Path) -> None:
    counts = {f"region_{name}": [float(len(rows)), None] for name, rows in FOUND.items()}
    run = make_run([], lines=lines_of([0.5, 0.6], **counts), method="svpp", acquisition="regions")
    (run / "round-1").mkdir()
    np.savez(run / "round-1" / "regions.npz", **{name: np.array(rows, np.int64) for name, rows in FOUND.items()})
    whole = make_run([0.9], method="finetune", acquisition="random", budget="fractions")
    (whole / "round-1").mkdir()
    share = [0.1, 0.3, 0.6, 0.8, 0.9, 0.9, 0.9]
    told = {"row": np.arange(7), "visits": np.ones(7), "confidence": share, "variability": np.array(share) / 5}
    np.savez(whole / "round-1" / "dynamics.npz", **told, correctness=share, forgotten=np.zeros(7))
    (run / "round-2").mkdir()
    few = {name: np.array([0.5, 0.5]) for name in ("confidence", "variability", "correctness")}
    np.savez(run / "round-2" / "dynamics.npz", row=[1, 2], visits=[1, 1], forgotten=[0, 0], **few)  # of fewer rows
    result, said = reported(tmp_path)
    assert "| SVPp | 100 | 1 | 50.0 | 25.0 | 0.0 | 25.0 | 0.0 | 25.0 | 25.0 |" in said("regions-regions.md")
    hardness = said("-region-hardness.md")
    assert "| SVPp | O | 2 of 2 | 0.0 | 50.0 | 50.0 | 0.0 | 0.0 | 50.0 | 50.0 | 0.0 |" in hardness
    assert "| SVPp | A2 | 0 of 0 | – |" in hardness
    assert "| all rows |  | 7 | 14.3 | 14.3 | 14.3 | 57.1 |" in hardness
    drawn = {path.name for path in result.files if path.suffix == ".png"}
    assert {"digits-mlp-regions-region-map.png", "digits-mlp-regions-regions.png"} <= drawn


@pytest.mark.parametrize("columns", [{}, {name: [[1]] for name in NAMES}, {name: ["a"] for name in NAMES}])
def test_damaged_regions_are_left_out_and_said(columns: dict[str, Any], make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run([0.5, 0.6])
    (run / "round-1").mkdir()
    np.savez(run / "round-1" / "regions.npz", **{name: np.array(rows) for name, rows in columns.items()})
    found, (problem,) = recorded_regions(read([tmp_path]))
    assert not found
    assert "round-1/regions.npz is left out" in problem.reason


def test_the_gate_is_tabled_and_drawn(make_run: MakeRun, tmp_path: Path) -> None:
    gate = {"ped_steps": [1, 2, 3], "logme": [None, 3.0, 2.5], "logme_change": [None, None, -0.5]}
    for seed, updates in enumerate(([0, 0, 1], [0, 0, 0])):
        lines = lines_of([0.5, 0.6, 0.7], **gate, feature_update=updates)
        make_run([], lines=lines, method="asvp", acquisition="margin", seed=seed)
    result, said = reported(tmp_path)
    assert "| ASVP | 2 | 300; – | 2.0 | 67 | 0.5 | 0.5 |" in said("-gate.md")
    assert any(path.name.endswith("-gate.png") for path in result.files)


def test_without_a_score_of_two_rounds_there_is_no_figure(make_run: MakeRun, tmp_path: Path) -> None:
    lines = lines_of([0.5, 0.6], ped_steps=[1, 1], feature_update=[0, 0])
    make_run([], lines=lines, method="asvp", acquisition="margin")
    result, said = reported(tmp_path)
    assert "| ASVP | 1 | – | 1.0 | 0 | – | – |" in said("-gate.md")
    assert not any(path.name.endswith("-gate.png") for path in result.files)


def test_labels_are_saved_and_paid_against_fine_tuning_on_random_rows(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7, 0.8], method="finetune", acquisition="random")
    make_run([], lines=lines_of([0.5, 0.8, None]), method="svpp", acquisition="margin")
    result, said = reported(tmp_path, Prices(label=1.0, hour=3600.0))
    # N2 is 100 and 400 where N1 is 100 and 200: (0 + 1/2) / 2; gains 0 and 20 points
    # 200 labels, 60 s of the full network, 10 + 1 + 1 + 5 s of selecting; random: 400 labels and 40 s
    assert "| SVPp | 25.0 (n=1) | 2 | +10.00 (n=1) | 277.00 (1 of 1) | 63.0 (n=1) |" in said("-savings.md")
    points = pd.read_csv(tmp_path / "report" / "selection-times.csv")
    assert points[["method", "seconds", "accuracy", "n"]].to_numpy().tolist() == [["svpp", 29.0, 80.0, 1]]
    assert any(path.name == "selection-times.png" for path in result.files)


def test_random_against_itself_saves_nothing_and_costs_as_much(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7], method="finetune", acquisition="random")
    (base,) = baselines_of(read([tmp_path]).table).values()
    assert saving_and_gain(base, base) == (0.0, 0.0, 3)
    cost, own = cost_to_reach(base, base, {"label_price": 2.0, "hour_price": 5.0})
    assert cost == own == pytest.approx(2 * 300 + 5 * 30 / 3600)


def test_cost_is_affine_in_prices_and_a_round_without_evaluation_has_none(make_run: MakeRun, tmp_path: Path) -> None:
    lines = lines_of([0.5, 0.6, 0.7])
    del lines[1]["seconds"]["train_full"]
    make_run([], lines=lines, method="svpp", acquisition="margin")
    run = read([tmp_path]).table
    first, second, both = (costs(run, *prices).to_numpy() for prices in ((1, 0), (0, 1), (2, 3)))
    np.testing.assert_allclose(2 * first + 3 * second, both)
    assert np.isnan(both).tolist() == [False, True, False]


def test_without_a_proxy_nothing_is_added(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6], method="finetune", acquisition="random")
    make_run([0.5, 0.6], method="finetune", acquisition="margin")
    result, _ = reported(tmp_path)
    endings = ("savings.md", "gate.md", "regions.md", "selection-times.csv")
    assert not [path for path in result.files if path.name.endswith(endings)]
