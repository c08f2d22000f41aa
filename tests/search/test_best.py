"""`calrun best` on folders made by hand, and once as a user types it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from calrun.report.read.runs import read
from calrun.slurm import queue
from calrun.slurm.jobs_file import SentJob, add_jobs, jobs_folder

Make = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "outputs" / "lr")


def rates(make_run: Make, values: dict[float, tuple[float, ...]], **more: Any) -> None:
    """Writes a run for each learning rate and seed."""
    for lr, own in values.items():
        for seed, value in enumerate(own):
            make_run(value, seed, optimizer={"lr": lr}, **more)


def table(text: str) -> list[list[str]]:
    """The rows of the first table: what stands between two blanks or more."""
    lines = text.splitlines()
    end = next(number for number, line in enumerate(lines) if line.startswith("best: "))
    return [re.split(r"\s{2,}", line.strip()) for line in lines[1:end]]


def test_the_winner_has_the_highest_mean_over_seeds_on_validation_rows(
    make_run: Make, calrun: Callable[..., Any], folder: str
) -> None:
    rates(make_run, {0.01: (0.9, 0.7), 0.1: (0.84, 0.86), 1.0: (0.3, 0.5)})
    out = calrun("best", folder).out
    assert table(out) == [
        ["lr", "accuracy in %", "gradient samples a run", "runs"],
        ["0.1", "85.00 ± 1.41", "3,000", "2"],
        ["0.01", "80.00 ± 14.14", "3,000", "2"],
        ["1", "40.00 ± 14.14", "3,000", "2"],
    ]
    assert "best: optimizer.lr=0.1\n" in out
    assert "200 labels, seeds 0, 1" in out
    assert "edge" not in out
    assert "al      3               6     18,000" in out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.9, 0.5, 0.5), "optimizer.lr=0.01 is the smallest of 3 values: a better one may lie below it"),
        ((0.5, 0.5, 0.9), "optimizer.lr=1 is the largest of 3 values: a better one may lie above it"),
    ],
)
def test_a_winner_at_the_edge_of_the_grid_is_said_to_be_there(
    make_run: Make, calrun: Callable[..., Any], folder: str, values: tuple[float, ...], said: str
) -> None:
    rates(make_run, {lr: (value,) for lr, value in zip((0.01, 0.1, 1), values, strict=True)})
    assert f"edge of the grid: {said}" in calrun("best", folder).out


def test_there_is_nothing_below_0(make_run: Make, calrun: Callable[..., Any], folder: str) -> None:
    for decay, value in ((0, 0.9), (1e-4, 0.5)):
        make_run(value, optimizer={"weight_decay": decay})
    assert "edge" not in calrun("best", folder).out


def test_equal_means_go_to_the_smaller_value_and_it_is_said(
    make_run: Make, calrun: Callable[..., Any], folder: str
) -> None:
    rates(make_run, {0.5: (0.1, 0.3, 0.8), 0.05: (0.8, 0.1, 0.3), 0.1: (0.3, 0.8, 0.1)})  # equal whatever the order
    out = calrun("best", folder).out
    assert [row[0] for row in table(out)[1:]] == ["0.05", "0.1", "0.5"]
    assert "as good: optimizer.lr=0.1, optimizer.lr=0.5; the first by its values is taken" in out


def test_the_lowest_loss_wins(make_run: Make, calrun: Callable[..., Any], folder: str) -> None:
    rates(make_run, {0.01: (0.9,), 0.1: (0.8,)})
    rows = table(calrun("best", folder, "--metric", "validation/loss").out)
    assert [row[:2] for row in rows] == [["lr", "loss"], ["0.01", "0.1000"], ["0.1", "0.2000"]]


def test_methods_with_different_budgets_are_said_to_have_them(
    make_run: Make, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    rates(make_run, {0.01: (0.9,), 0.1: (0.8,)})
    rates(make_run, {0.01: (0.9,), 0.1: (0.8,), 1.0: (0.7,)}, method="cal_er", experiment="cal")
    out = calrun("best", str(tmp_path / "outputs")).out
    assert "al      2               2     6,000" in out
    assert "cal_er  3               3     9,000" in out
    assert "the methods had different budgets" in out
    alone = calrun("best", str(tmp_path / "outputs"), "--method", "al").out
    assert "cal_er" not in alone
    assert "different budgets" not in alone


def test_searches_on_other_files_of_one_option_are_counted_apart(
    make_run: Make, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    rates(make_run, {0.01: (0.9,), 0.1: (0.8,)}, data_files_are={"files": "1", "content": "a"})
    rates(
        make_run,
        {0.01: (0.9,), 0.1: (0.8,), 1.0: (0.7,)},
        experiment="b",
        data_files_are={"files": "1", "content": "b"},
    )
    out = calrun("best", str(tmp_path / "outputs")).out
    assert "what was searched on digits, mlp, entropy (the data of lr)" in out
    assert "what was searched on digits, mlp, entropy (the data of b)" in out
    assert "different budgets" not in out


def test_runs_without_a_validation_split_are_refused(make_run: Make, refusal: Callable[..., str], folder: str) -> None:
    rates(make_run, {0.01: (0.9,)})
    make_run(None, optimizer={"lr": 0.1})
    line = refusal("best", folder)
    assert "no metric of a validation split in the last round" in line
    assert "val_fraction above 0" in line


@pytest.mark.parametrize("metric", ["test/accuracy", "test/test/accuracy", "test", "accuracy@corrupted"])
def test_a_test_set_is_never_looked_at(make_run: Make, refusal: Callable[..., str], folder: str, metric: str) -> None:
    rates(make_run, {0.01: (0.9,)})
    assert "a search never looks at one" in refusal("best", folder, "--metric", metric)


def test_an_unknown_metric_is_refused_with_those_there_are(
    make_run: Make, refusal: Callable[..., str], folder: str
) -> None:
    rates(make_run, {0.01: (0.9,)})
    assert refusal("best", folder, "--metric", "auc").endswith("whose validation split has: accuracy, loss")


def test_unequal_seeds_are_refused_and_compared_over_common_ones_if_asked(
    make_run: Make, refusal: Callable[..., str], calrun: Callable[..., Any], folder: str
) -> None:
    rates(make_run, {0.01: (0.8, 0.1), 0.1: (0.7,)})
    assert "(optimizer.lr=0.1 lacks seed 1)" in refusal("best", folder)
    rows = table(calrun("best", folder, "--partial").out)
    assert [row[:2] for row in rows[1:]] == [["0.01", "80.00"], ["0.1", "70.00"]]
    assert "al      2               3     9,000" in calrun("best", folder, "--partial").out  # what was spent


def test_a_grid_with_a_hole_is_refused_by_the_values_of_the_hole(
    make_run: Make, refusal: Callable[..., str], calrun: Callable[..., Any], folder: str
) -> None:
    for lr, size in ((0.01, 20), (0.01, 64), (0.1, 64)):
        make_run(0.5, optimizer={"lr": lr}, trainer={"batch_size": size})
    assert "optimizer.lr=0.1 trainer.batch_size=20 is missing" in refusal("best", folder)
    assert len(table(calrun("best", folder, "--partial").out)) == 4


def test_values_that_change_together_are_one_axis(make_run: Make, calrun: Callable[..., Any], folder: str) -> None:
    for size in (20, 64):
        make_run(0.5, trainer={"batch_size": size}, method="cal_er", visit={"replay_size": 2 * size})
    assert calrun("best", folder).code == 0


def test_runs_that_are_not_finished_or_not_begun_are_named(
    make_run: Make, refusal: Callable[..., str], calrun: Callable[..., Any], folder: str
) -> None:
    rates(make_run, {0.01: (0.9,)})
    begun = make_run(0.9, rounds=1, optimizer={"lr": 0.1})
    (Path(folder) / "sweep.json").write_text(json.dumps({"runs": [begun.name, "digits-mlp-al-entropy-s0-later"]}))
    line = refusal("best", folder)
    assert f"{begun.name} is interrupted, digits-mlp-al-entropy-s0-later is waiting; play what is missing (" in line
    out = calrun("best", folder, "--partial").out
    assert "left out: digits-mlp-al-entropy-s0-later is waiting" in out
    assert "best: the one configuration" in out


def test_a_run_that_is_queued_again_is_said_to_be_as_status_says_it(
    make_run: Make, refusal: Callable[..., str], calrun: Callable[..., Any], folder: str, monkeypatch: Any
) -> None:
    rates(make_run, {0.01: (0.9,)})
    begun = make_run(0.9, rounds=1, optimizer={"lr": 0.1})
    jobs_folder(begun.parent).mkdir()
    add_jobs(begun.parent, [SentJob("7_1", (begun.name,), "2026-01-01T10:00:00+00:00")])
    monkeypatch.setattr(queue, "_ask", lambda *words: "7_1|PENDING|Priority|0|\n" if words[0] == "squeue" else "")
    assert f"{begun.name} is queued; wait for what is running or queued, or compare" in refusal("best", folder)
    assert f"left out: {begun.name} is queued" in calrun("best", folder, "--partial").out


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"val_fraction": 0.2}, "the runs differ in val_fraction"),
        ({"data_fingerprint": "100-10-1"}, "the runs of seed 0 are on different data"),
        ({"budget": {"step": 7}}, "the runs differ in budget.step"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    make_run: Make, refusal: Callable[..., str], folder: str, other: dict[str, Any], said: str
) -> None:
    make_run(0.9, optimizer={"lr": 1.0})
    make_run(0.8, optimizer={"lr": 0.5}, **other)
    assert said in refusal("best", folder)


def test_a_data_set_that_is_split_by_the_seed_is_one_search(
    make_run: Make, calrun: Callable[..., Any], folder: str
) -> None:
    for seed in (0, 1):
        for lr in (0.1, 1.0):
            make_run(lr / 2, seed, optimizer={"lr": lr}, data_fingerprint=f"100-10-{seed}")
    assert [row[-1] for row in table(calrun("best", folder).out)[1:]] == ["2", "2"]


def test_folders_without_runs_are_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no folder" in refusal("best", str(tmp_path / "nowhere"))
    assert "holds no run" in refusal("best", str(tmp_path))


def test_a_search_is_played_named_and_used_as_a_user_types_it(
    calrun: Callable[..., Any], play: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    assert (
        play(
            "-m", "optimizer.lr=1e-5,0.1", "seed=0,1", "val_fraction=0.2", "budget.rounds=1", "experiment_name=lr"
        ).code
        == 0
    )
    found = tmp_path / "conf" / "hparams" / "found.yaml"
    answer = calrun("best", str(tmp_path / "outputs" / "lr"), "--out", str(found))
    assert answer.code == 0, answer.err
    assert f"calrun run --config-dir {tmp_path / 'conf'} hparams=found ..." in answer.out
    (rate,) = yaml.safe_load(found.read_text())["optimizer"].values()
    means = {lr: mean for lr, mean, *_ in table(answer.out)[1:]}
    assert means[f"{rate:g}"] == max(means.values(), key=lambda cell: float(cell.split()[0]))
    used = play("--config-dir", str(tmp_path / "conf"), "hparams=found", "budget.rounds=1", "experiment_name=used")
    assert used.code == 0, used.err
    (config,) = (tmp_path / "outputs" / "used").rglob("config.yaml")
    assert yaml.safe_load(config.read_text())["optimizer"]["lr"] == rate


def test_no_report_takes_the_validation_split_for_a_test_set(make_run: Make) -> None:
    runs = read([make_run(0.9)])
    assert not [column for column in runs.table.columns if "@validation" in column]
    assert runs.table["accuracy"].tolist() == pytest.approx([0.1, 0.1])


def test_experiments_of_one_name_have_a_winner_each_under_names_of_their_own(
    make_run: Make, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    for experiment, best in (("a/lr", 0.1), ("b/lr", 1.0)):
        for lr in (0.1, 1.0):
            make_run(0.9 if lr == best else 0.8, experiment=experiment, optimizer={"lr": lr})
    outputs = tmp_path / "outputs"
    for folders in ([outputs], [outputs / "a", outputs / "b/lr"]):
        lines = calrun("best", *map(str, folders)).out.splitlines()
        told = [line.partition(":")[0] for line in lines if "on the validation split" in line]
        winners = [line for line in lines if line.startswith("best: ")]
        assert (told, winners) == (["a/lr", "b/lr"], ["best: optimizer.lr=0.1", "best: optimizer.lr=1"])


def test_an_experiment_without_a_validation_split_is_named(
    make_run: Make, refusal: Callable[..., str], tmp_path: Path
) -> None:
    make_run(0.9)
    make_run(None, experiment="plain")
    assert "(of plain): no metric of a validation split" in refusal("best", str(tmp_path / "outputs"))
