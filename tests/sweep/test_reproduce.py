import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from calrun.machine.children import run_bound
from calrun.places import CONF
from calrun.report.read.configuration import read_configuration
from calrun.report.verdict.departures import departures
from calrun.report.verdict.printed import paper_table
from calrun.sweep.costs import most_samples
from calrun.sweep.reproduce import claims_table, experiment_of, recipe_leaves, reproduce, reproduction
from calrun.sweep.sweep import job_config

RECIPES = sorted(f"{path.parent.name}/{path.stem}" for path in (CONF / "experiment").glob("*/[!_]*.yaml"))
RECIPES = [name for name in RECIPES if not name.startswith("search/")]  # which stand in tests/search
CAL_RECIPES = [name for name in RECIPES if name.startswith("cal/")]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_plans_its_runs_and_names_its_command(name: str) -> None:
    planned = reproduction(name, seeds="0")
    assert len(set(planned.overrides)) == len(planned.overrides) >= 2
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    assert f"calrun reproduce {name}" in text
    parts = [Path(line) for line in yaml.safe_load(text).get("defaults", []) if isinstance(line, str)]
    includes = [str(part) for part in parts if not part.name.startswith("_")]  # whose runs it asks
    assert [experiment_of(name)] == (includes or [name])


def test_table_8_asks_the_runs_of_table_7() -> None:
    for more in ({}, {"scale": 0.1}):
        both = [reproduction(name, seeds="0", more=["method=al"], **more) for name in ("cal/table7", "cal/table8")]
        assert both[0].jobs[0].folder == both[1].jobs[0].folder
        assert both[1].jobs[0].cfg.record.further_tests == "last"


def test_a_plan_has_the_papers_rows_data_set_and_acquisition() -> None:
    for name in ("cal/table1", "cal/table16"):
        paper = paper_table(name)
        assert paper is not None
        planned = reproduction(name, more=[f"method={','.join(paper.cells['method'].unique()[:1])}"])
        recipe = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())
        methods = recipe["hydra"]["sweeper"]["params"]["method"].split(",")
        assert set(methods) == set(paper.cells["method"])
        assert len(reproduction(name).overrides) == 21
        assert planned.jobs[0].folder.name.startswith(f"{paper.dataset}-{paper.model}-cal_er-{paper.acquisition}-s0-")


def test_scaled_runs_go_to_an_experiment_of_their_own() -> None:
    planned = reproduction("cal/table1", seeds="0,1", scale=0.1, more=["method=al"])
    assert [job.folder.parent.name for job in planned.jobs] == ["table1-x0.1"] * 2


def test_upper_bound_counts_the_rows_that_a_step_replays() -> None:
    cold, replay = reproduction("cal/table1", seeds="0", more=["method=al,cal_er"]).jobs
    assert most_samples(cold.cfg, 60_000) == sum(range(3500, 21001, 3500)) * 100
    steps = 3500 // 64 + 1
    assert most_samples(replay.cfg, 60_000) == 3500 * 100 + 5 * 40 * (3500 + steps * 128)
    (small,) = reproduction(
        "cal/table1",
        seeds="0",
        more=["method=cal_er", "budget=counts", "budget.start=50", "budget.step=50", "budget.rounds=3"],
    ).jobs
    assert most_samples(small.cfg, 60_000) == 50 * 100 + 40 * (50 + 50) + 40 * (50 + 100)  # the history is smaller


def test_unknown_experiments_and_scales_are_refused_with_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"choose one of: .*cal/table1"):
        reproduction("cal/table99")
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        reproduction("cal/table1", scale=2.0)


@pytest.mark.parametrize("seeds", ["a,b", "", "0,", "-1", "0.5", "range(0,3)"])
def test_what_are_no_seeds_is_refused_before_anything_is_planned(seeds: str) -> None:
    with pytest.raises(ValueError, match="wants seeds as whole numbers"):
        reproduction("cal/table1", seeds=seeds)


def test_seeds_may_have_spaces_and_count_once() -> None:
    planned = reproduction("cal/table1", seeds="0, 1,1", more=["method=al"])
    assert all("method=al" in overrides for overrides in planned.overrides)
    assert [text for overrides in planned.overrides for text in overrides if text[:4] == "seed"] == ["seed=0", "seed=1"]


def test_dry_run_lists_what_is_missing_and_an_estimate(tmp_path: Path) -> None:
    printed = io.StringIO()
    more = [f"paths.outputs={tmp_path}", "method=al,cal_er"]
    assert reproduce(reproduction("digits", seeds="0", more=more), dry_run=True, console=Console(file=printed)) is None
    assert "2 runs, 0 finished, 2 to run" in printed.getvalue()
    assert "estimate: at most" in printed.getvalue()


def test_dry_run_without_the_data_lists_what_is_missing_and_says_why_there_is_no_estimate(tmp_path: Path) -> None:
    printed = io.StringIO()
    more = [f"paths.outputs={tmp_path}", f"paths.data={tmp_path}", "method=al"]
    reproduce(reproduction("cal/table3", seeds="0", more=more), dry_run=True, console=Console(file=printed, width=300))
    assert "1 runs, 0 finished, 1 to run" in printed.getvalue()
    assert "no estimate: no file" in printed.getvalue()


def test_without_playing_the_rounds_that_are_there_are_compared(tmp_path: Path) -> None:
    small = [f"paths.outputs={tmp_path}", "model=mlp", "trainer=cpu", "trainer.max_epochs=1", "budget.rounds=1"]
    both = reproduction("digits", seeds="0", more=[*small, "method=al,cal_er"])
    with pytest.raises(ValueError, match=r"none of its runs has begun below .*leave out --no-run"):
        reproduce(both, no_run=True)
    assert run_bound([sys.executable, "-m", "calrun.cli", "run", *both.jobs[0].overrides]) == 0
    printed = io.StringIO()
    result = reproduce(both, no_run=True, console=Console(file=printed, width=300))
    assert result is not None
    assert set(result.runs.table["method"]) == {"al"}
    assert len(list(tmp_path.rglob("rounds.jsonl"))) == 1


def test_claims_stand_beside_the_papers_own_answers() -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    table = claims_table(paper.cells, paper)
    assert [row[1].text for row in table.rows] == [row[3].text for row in table.rows]


@pytest.mark.parametrize("name", CAL_RECIPES)
def test_recipes_play_what_the_authors_code_does(name: str) -> None:
    found = recipe_leaves(name)
    assert {own["seed_set_seed"] for own in found} == {42}
    selections = {own.get("method.visit.choose.selection") for own in found if own["choices.method"] == "cal_mir"}
    assert selections <= {"softmax_sample"}
    assert {own["method.visit.choose.score_mode"] for own in found if own["choices.method"] == "cal_mir"} <= {"eval"}


def test_outside_a_recipe_the_text_of_the_paper_holds(configure: Callable[..., DictConfig]) -> None:
    assert configure("method=cal_mir").method.visit.choose.selection == "top"
    assert configure("method=cal_mir", "authors=das2023").method.visit.choose.selection == "softmax_sample"
    assert configure("method=al", "authors=das2023").seed_set_seed == 42


def test_another_width_rate_and_precision_are_not_the_papers_setting(tmp_path: Path) -> None:
    """The names of data set, model and acquisition are the paper's; places, workers and seeds are the run's own."""
    recipe = recipe_leaves("cal/table1")

    def said(*more: str) -> list[str]:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg, choices = job_config(["experiment=cal/table1", "method=al", "seed=7", *more])
        names = {group: choices[group] for group in ("dataset", "model", "acquisition", "method")}
        tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"run_id": "a", "choices": names, **tree}))
        return departures([read_configuration(tmp_path / "config.yaml").leaves], recipe)

    same = ["paths.outputs=/x", "trainer=cpu", "trainer.num_threads=2", "experiment_name=mine", "optimizer.lr=1e-2"]
    assert said(*same, "scale=0.1") == []
    changed = ["model.width=2", "optimizer.lr=0.1", "trainer.batch_size=32", "trainer.precision=bf16-mixed"]
    assert sorted(said(*changed, "dataset.transform.flip=false", "trainer.max_epochs=5")) == [
        "dataset.transform.flip False in place of True",
        "model.width 2 in place of 64",
        "optimizer.lr 0.1 in place of 0.01",
        "trainer.batch_size 32 in place of 64",
        "trainer.max_epochs 5 in place of 100",
        "trainer.precision bf16-mixed in place of 32-true",
    ]


def test_a_name_that_is_nearly_right_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="'wen/tabel8' to reproduce, the nearest is wen/table8; choose one of"):
        reproduction("wen/tabel8")


def test_a_dry_run_looks_at_the_checkpoint_that_a_recipe_begins_from(tmp_path: Path) -> None:
    weights, more = (
        tmp_path / "weights.pt",
        [f"paths.outputs={tmp_path}", "method=svpp", f"method.full.start.path={tmp_path / 'weights.pt'}"],
    )
    printed = io.StringIO()
    for content, said in ((None, "is no file"), (b"PK", "begins with"), (b"", "is empty")):
        weights.write_bytes(content) if content is not None else None
        planned = reproduction("digits", seeds="0", more=more)
        with pytest.raises(ValueError, match=rf"^method\.full\.start\.path={weights}: checkpoint {weights} {said}"):
            reproduce(planned, dry_run=True, console=Console(file=printed))
    assert "1 to run" in printed.getvalue()


def test_a_recipe_of_a_checkpoint_says_that_it_lacks_one(calrun: Callable[..., Any], tmp_path: Path) -> None:
    answer = calrun("reproduce", "emam/fig5", "--seeds", "0", "--dry-run", f"paths.outputs={tmp_path}")
    assert answer.code == 2
    assert "to run" in answer.out
    assert "method.start.path=FILE: checkpoint FILE is no file" in answer.err
