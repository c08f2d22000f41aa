"""`calrun reproduce --list`: every printed number has a recipe; costs, and states of folders."""

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from rich.console import Console

from calrun.places import CONF
from calrun.report.verdict.printed import paper_table, printed
from calrun.sweep.catalogue import entries, experiment_in, recipes, show, state_of
from calrun.sweep.costs import Cost, most_scored, most_work, recorded_costs
from calrun.sweep.reproduce import experiment_of, reproduction
from calrun.sweep.sweep import job_config

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "paper_results.yaml"
PAPERS = {"000": "cal", "001": "beck", "002": "emam", "003": "wen", "004": "disal"}
Typed = Callable[..., Any]


def cells_of(name: str) -> Any:
    paper = paper_table(name)
    assert paper is not None
    return paper.cells


def test_all_802_printed_numbers_are_cells_of_a_recipe() -> None:
    rows = {name: len(cells_of(name)) for name in recipes()}
    assert len(rows) == 27
    assert sum(rows.values()) == 802
    assert Counter(name.partition("/")[0] for name in rows) == {"cal": 16, "beck": 5, "emam": 2, "wen": 3, "disal": 1}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the transcription lies beside the repository")
def test_each_table_has_as_many_as_the_transcription() -> None:
    document = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    expected: Counter[str] = Counter()
    for row in document["results"]:
        paper, table = PAPERS[row["paper"]], row["table"]
        expected["disal/imagenet100" if paper == "disal" else f"{paper}/table{table}"] += 1
    assert expected == {name: len(cells_of(name)) for name in recipes()}
    assert sum(expected.values()) == len(document["results"]) == 802


def swept(name: str) -> dict[str, set[str]]:
    """Returns the options that a recipe plays, by group."""
    tree = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())
    found: dict[str, set[str]] = {}
    for line in tree["defaults"]:
        if isinstance(line, str) and line != "_self_":
            found |= swept(line.removeprefix("/experiment/") if "/" in line else f"{name.rpartition('/')[0]}/{line}")
        elif isinstance(line, dict):
            found |= {key.removeprefix("override /"): {str(option)} for key, option in line.items()}
    params = tree.get("hydra", {}).get("sweeper", {}).get("params", {})
    return found | {key: {part.strip() for part in str(value).split(",")} for key, value in params.items()}


@pytest.mark.parametrize("name", recipes())
def test_every_cell_is_played_by_its_recipe(name: str) -> None:
    paper = paper_table(name)
    assert paper is not None
    played = swept(name)
    if name.startswith("wen/"):  # its rows are arms: tests/sweep/test_wen_recipes.py
        assert len(played["+experiment/wen/arm"]) == 5
        return
    options = played["acquisition"] | played.get("method", set()) | {"next best"}  # a name that the report gives
    assert set(paper.cells["method"]) <= options
    needed = {
        "beck/table3": {"dispersion_min", "facility_location", "random"},
        "beck/table13": {"al", "al_ws"},
        "beck/table14": {"al", "al_gradmatch"},
    }
    assert needed.get(name, set()) <= played.get("method", set()) | played.get("initial", set())


def test_the_experiment_of_a_recipe_is_read_from_its_file() -> None:
    assert experiment_in("cal/table8") == experiment_of("cal/table8") == "cal/table7"
    assert experiment_in("wen/table9") == "wen/table9"


def test_costs_are_recorded_for_every_table() -> None:
    costs = recorded_costs()
    assert set(costs) == set(recipes())
    table_1 = costs["cal/table1"]
    cold, replaying = sum(range(3500, 21001, 3500)) * 100, 3500 * 100 + 5 * 40 * (3500 + 55 * 128)
    assert table_1.samples == 3 * (5 * replaying + 2 * cold)
    assert table_1.runs == 21
    assert costs["beck/table13"].samples == 4 * 300 * sum(range(1000, 25001, 3000))
    assert costs["beck/table13"].scored == 4 * sum(50_000 - labelled for labelled in range(1000, 22001, 3000))


@pytest.mark.parametrize(("name", "pool"), [("beck/table14", 50_000), ("cal/table9", 50_000)])
def test_recorded_costs_are_those_that_the_recipe_composes_to(name: str, pool: int) -> None:
    samples = steps = scored = 0.0
    for overrides in reproduction(name, seeds="0").overrides:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg, choices = job_config(overrides)
        work = most_work(cfg, pool)
        samples, steps, scored = samples + work[0], steps + work[1], scored + most_scored(cfg, choices, pool)
    recorded = recorded_costs()[name]
    assert (recorded.samples, recorded.steps, recorded.scored) == (3 * samples, 3 * steps, 3 * scored)


def test_gpu_hours_are_the_slower_of_starting_and_computing() -> None:
    starting = Cost(1, samples=20.0, steps=3600.0, scored=0.0, row_flops=1e9, trained_flops=1e9, step_seconds=1.0)
    assert starting.gpu_hours == pytest.approx(1.0)
    computing = Cost(1, samples=2.4e8, steps=1.0, scored=0.0, row_flops=1e9, trained_flops=1e9, step_seconds=1.0)
    assert computing.gpu_hours == pytest.approx(1.0)  # 2.4e8 rows x 3 x 1e9 at 2e14 a second
    scoring = Cost(1, samples=0.0, steps=0.0, scored=7.2e8, row_flops=1e9, trained_flops=1e9, step_seconds=1.0)
    assert scoring.gpu_hours == pytest.approx(1.0)


def write_run(folder: Path, labelled: int, accuracy: float) -> None:
    choices = {"dataset": "fmnist", "model": "resnet18", "acquisition": "entropy", "method": "al"}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, "run_id": folder.name, "choices": choices}))
    line = {"round": 1, "labelled": labelled, "test": {"test": {"accuracy": accuracy}}, "seconds": {"fit": 1.0}}
    (folder / "rounds.jsonl").write_text(json.dumps(line) + "\n")


def test_states_are_those_of_the_folders_that_are_there(tmp_path: Path) -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    assert state_of("cal/table1", paper, tmp_path) == f"not run: nothing in {tmp_path / 'cal/table1'}"
    write_run(tmp_path / "cal" / "table1-x0.5" / "a", 3500, 0.8)
    assert state_of("cal/table1", paper, tmp_path) == "scaled x 0.5: 1 off, 34 not run"
    write_run(tmp_path / "cal" / "table1" / "a", 7000, 0.926)
    both = "1 within std, 34 not run; scaled x 0.5: 1 off, 34 not run"
    assert state_of("cal/table1", paper, tmp_path) == both
    (tmp_path / "cal" / "table1-xyz").mkdir()
    (tmp_path / "cal" / "table1" / "a" / "rounds.jsonl").write_text("{\n")
    assert state_of("cal/table1", paper, tmp_path).startswith("not read: ")


def test_what_only_the_user_has_is_the_reason() -> None:
    paper = paper_table("emam/table2")
    assert paper is not None
    assert state_of("emam/table2", paper, Path("nowhere")) == "not run: it wants EsViT's checkpoint of that network"


def test_the_list_adds_up_and_counts_shared_runs_once(tmp_path: Path) -> None:
    text = io.StringIO()
    show(tmp_path, Console(file=text, width=300))
    lines = text.getvalue().splitlines()
    found = entries(tmp_path)
    runs = sum(entry.cost.runs for entry in found if entry.cost and entry.recipe != "cal/table8")
    assert f"all: 27 tables, 802 numbers, {runs:,} runs, at most" in lines[-1]
    assert sum(line.lstrip().startswith(("cal/", "beck/", "emam/", "wen/", "disal/")) for line in lines) == 27


def test_it_is_typed_in_two_ways_and_refuses_others(calrun: Typed, refusal: Typed, tmp_path: Path) -> None:
    outputs = f"paths.outputs={tmp_path / 'outputs'}"
    listed, summed = calrun("reproduce", "--list"), calrun("reproduce", "all", "--dry-run", outputs)
    assert listed.code == summed.code == 0, listed.err + summed.err
    assert "802 numbers" in listed.out
    assert "802 numbers" in summed.out
    assert "wants a recipe, such as cal/table1, or --list" in refusal("reproduce")
    assert "reproduce all wants --dry-run" in refusal("reproduce", "all")
    assert "--list wants nothing but paths.outputs=FOLDER beside it, got 'cal/table1'" in refusal(
        "reproduce", "cal/table1", "--list"
    )


def test_every_paper_that_prints_numbers_is_in_the_list() -> None:
    assert {len(printed(name)["tables"]) for name in ("beck2021", "emam2021", "wen2024", "disal2024")} == {5, 2, 3, 1}
