import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from calrun.report.measure.curves import accuracy_by_budget
from calrun.report.page.html import environments
from calrun.report.read.runs import read
from calrun.report.table.written import write_runs

MakeRun = Callable[..., Path]


def test_a_row_per_run_and_round_with_sums_over_rounds(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7, 0.8], seconds=[1.0, 2.0, 4.0])
    make_run([0.6, 0.8], method="cal_er", seed=3)
    table = read([tmp_path]).table
    assert len(table) == 5
    baseline = table[table["method"] == "al"]
    assert baseline["cumulative_fit_seconds"].tolist() == [1.0, 3.0, 7.0]
    assert baseline["cumulative_steps"].tolist() == [50, 150, 300]
    assert baseline["accuracy"].tolist() == [0.5, 0.7, 0.8]
    assert set(table["seed"]) == {0, 3}


def test_a_finished_run_has_no_problem_and_an_unfinished_one_is_listed_but_read(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run([0.5])
    assert read([tmp_path]).problems == []
    killed = make_run([0.5, 0.6], method="cal_er", state="running")
    runs = read([tmp_path])
    assert [problem.folder.name for problem in runs.problems] == [killed.name]
    assert "running" in runs.problems[0].reason
    assert len(runs.table) == 3


def test_damaged_folders_are_listed_and_the_rounds_before_the_damage_count(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    cut = make_run([0.5, 0.6], method="cut")
    (cut / "rounds.jsonl").write_text((cut / "rounds.jsonl").read_text()[:-20])
    gap = make_run([0.5, 0.6, 0.7], method="gap")
    lines = (gap / "rounds.jsonl").read_text().splitlines(keepends=True)
    (gap / "rounds.jsonl").write_text(lines[0] + lines[2])
    bare = make_run([0.5], method="bare")
    (bare / "config.yaml").write_text("a: [")
    empty = make_run([0.5], method="empty")
    (empty / "rounds.jsonl").unlink()
    runs = read([tmp_path])
    assert runs.table.groupby("method").size().to_dict() == {"al": 1, "cut": 1, "gap": 1}
    reasons = {problem.folder: problem.reason for problem in runs.problems}
    assert "line 2 is no JSON" in reasons[cut]
    assert "holds round 3" in reasons[gap]
    assert "not YAML" in reasons[bare]
    assert "rounds.jsonl is missing" in reasons[empty]


@pytest.mark.parametrize(
    ("leaves", "other", "variant"),
    [
        ({"data_fingerprint": "4-2-a"}, {"data_fingerprint": "4-2-b"}, ""),  # told apart as another context
        (
            {"data_files_are": {"files": 1, "content": "a", "read": "all"}},
            {"data_files_are": {"files": 1, "content": "b", "read": "all"}},
            "",
        ),
        ({"code": {"mine.py": "a"}}, {"code": {"mine.py": "b"}}, "mine=a"),
        ({"results": 1}, {"results": 2}, "results=1"),
    ],
)
def test_runs_of_one_name_with_other_data_or_code_are_no_seeds_of_each_other(
    make_run: MakeRun, tmp_path: Path, leaves: dict[str, object], other: dict[str, object], variant: str
) -> None:
    make_run([0.5, 0.6], tag="a", run_id="12345678", leaves=leaves)
    make_run([0.5, 0.9], tag="b", run_id="12345678", leaves=other)
    runs = read([tmp_path])
    assert runs.problems == []
    summary = accuracy_by_budget(runs.table)
    assert summary["n"].tolist() == [1] * 4
    assert sorted(summary["mean"]) == [0.5, 0.5, 0.6, 0.9]
    assert len(runs.folders) == 2
    assert sorted(set(summary["variant"]))[0] == variant


def test_seeds_that_draw_their_own_test_set_from_the_same_files_are_seeds_of_each_other(
    make_run: MakeRun, tmp_path: Path
) -> None:
    files = {"files": 1, "content": "a", "read": "all"}
    for seed, accuracy in ((0, 0.5), (1, 0.7)):
        make_run([accuracy], seed=seed, leaves={"data_files_are": files, "data_fingerprint": f"4-2-{seed}"})
    summary = accuracy_by_budget(read([tmp_path]).table)
    assert summary["n"].tolist() == [2]
    assert summary["mean"].tolist() == [0.6]


def test_rounds_played_with_other_code_are_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6], leaves={"code_changes": [{"after_round": 1, "changed": "mine.py changed"}]})
    (problem,) = read([tmp_path]).problems
    assert problem.reason == "after round 1 mine.py changed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test": {"test": {"accuracy": "0.9"}}}, "test is of the wrong kind"),
        ({"test": {"test": {"accuracy": float("nan")}}}, "an accuracy is no number from 0 to 1: nan"),
        ({"test": {"test": {"accuracy": 7.9}}}, "an accuracy is no number from 0 to 1: 7.9"),
        ({"test": {"test": {"accuracy": 0.9}, "noisy": {"accuracy": -1}}}, "an accuracy is no number from 0 to 1: -1"),
        ({"train_accuracy": 99.5}, "train_accuracy is of the wrong kind: 99.5"),
        ({"labelled": 12.5}, "labelled is of the wrong kind: 12.5"),
        ({"test": {"test": {}}}, "an accuracy is no number from 0 to 1: None"),
        ({"labelled": "many"}, "labelled is of the wrong kind: 'many'"),
        ({"seconds": 3}, "seconds is of the wrong kind"),
        ({"steps": "50"}, "steps is of the wrong kind: '50'"),
        ({"class_counts": {"a": 1}}, "class_counts is of the wrong kind"),
        ({"device": 3}, "device is of the wrong kind: 3"),
    ],
)
def test_a_value_of_the_wrong_kind_costs_its_round_and_no_other_run(
    make_run: MakeRun, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    make_run([0.5])
    folder = make_run([0.5, 0.6], method="cal_er")
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    lines[1] |= change
    (folder / "rounds.jsonl").write_text("\n".join(map(json.dumps, lines)))
    runs = read([tmp_path / "outputs"])
    assert f"line 2: {reason}" in runs.problems[0].reason
    assert runs.table.groupby("method").size().to_dict() == {"al": 1, "cal_er": 1}
    write_runs(tmp_path / "report", runs.table)


def test_a_null_is_unknown_and_no_damage(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run([0.5, 0.6])
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    lines[0] |= {"steps": None, "train_accuracy": None}
    (folder / "rounds.jsonl").write_text("\n".join(map(json.dumps, lines)))
    runs = read([tmp_path])
    assert runs.problems == []
    assert runs.table["cumulative_steps"].isna().all()


def test_a_broken_status_or_seed_is_listed_and_not_fatal(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    vague = make_run([0.5], method="vague")
    (vague / "status.json").write_text('{"state": "finished", "rounds": "x"}')
    odd = make_run([0.5], method="odd")
    config = yaml.safe_load((odd / "config.yaml").read_text()) | {"seed": "first"}
    (odd / "config.yaml").write_text(yaml.safe_dump(config))
    runs = read([tmp_path])
    assert set(runs.table["method"]) == {"al", "vague"}
    reasons = {problem.folder: problem.reason for problem in runs.problems}
    assert reasons == {
        vague: "finished: 1 of x rounds are there",
        odd: "config.yaml: seed is no number: 'first'",
    }


@pytest.mark.parametrize(("other", "reason"), [({}, "counted once"), ({"run_id": "feed"}, "but another run")])
def test_a_run_met_twice_counts_once_and_the_longer_copy_wins(
    make_run: MakeRun, tmp_path: Path, other: dict[str, str], reason: str
) -> None:
    folder = make_run([0.5, 0.6, 0.7])
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy)
    (copy / "rounds.jsonl").write_text((copy / "rounds.jsonl").read_text().splitlines()[0] + "\n")
    config = yaml.safe_load((copy / "config.yaml").read_text()) | {"experiment": "other"} | other
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    runs = read([tmp_path, folder])
    assert len(runs.table) == 3
    assert {problem.folder for problem in runs.problems} == {copy}
    assert reason in runs.problems[-1].reason


def test_a_round_without_a_number_makes_later_sums_unknown_not_smaller(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run([0.5, 0.6, 0.7])
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    del lines[1]["steps"]
    (folder / "rounds.jsonl").write_text("\n".join(map(json.dumps, lines)))
    sums = read([tmp_path]).table["cumulative_steps"]
    np.testing.assert_array_equal(sums, [50.0, np.nan, np.nan])


def test_settings_of_the_same_names_are_told_apart_by_what_differs(make_run: MakeRun, tmp_path: Path) -> None:
    for alpha in (0.1, 0.9):
        make_run([0.5], method="cal_sd", tag=alpha, leaves={"method": {"alpha": alpha, "beta": 1.0}})
    make_run([0.5], method="cal_sd", seed=1, tag="again", leaves={"method": {"alpha": 0.1, "beta": 1.0}})
    table = read([tmp_path]).table
    assert table.groupby("variant")["seed"].apply(sorted).to_dict() == {"alpha=0.1": [0, 1], "alpha=0.9": [0]}


def test_other_test_sets_stand_beside_the_first(make_run: MakeRun, tmp_path: Path) -> None:
    test = {"test": {"accuracy": 0.9}, "fog": {"accuracy": 0.4}}
    make_run([], lines=[{"round": 1, "labelled": 10, "test": test}])
    table = read([tmp_path]).table
    assert table.loc[0, ["accuracy", "accuracy@fog"]].tolist() == [0.9, 0.4]


def test_parquet_and_csv_hold_the_whole_table(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    runs = read([tmp_path / "outputs"])
    parquet, csv = write_runs(tmp_path / "report", runs.table)
    back = pd.read_parquet(parquet)
    assert back["accuracy"].tolist() == pd.read_csv(csv)["accuracy"].tolist() == [0.5, 0.6]
    assert back["class_counts"].iloc[1].tolist() == [120, 80]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("status.json", None, "status.json is missing"),
        ("status.json", b"[1]", "status.json holds no object"),
        ("status.json", b"\xff", "status.json is not JSON"),
        ("status.json", b"[" * 100_000, "status.json is not JSON"),
        ("environment.json", b'{"attempts": ', "environment.json is not JSON"),
        ("environment.json", b'{"python": "3.11"}', "environment.json holds no attempts"),
        ("environment.json", b'{"attempts": [3, {}, {"packages": 7, "command": 4}]}', ""),
        ("config.yaml", None, "config.yaml is missing"),
        ("config.yaml", b"\xff\xfe", "config.yaml is not YAML"),
        ("config.yaml", b"choices: 5\nseed: 1\n", "config.yaml lacks run_id, choices.dataset"),
        ("config.yaml", b"a: 2001-99-99\n", "month must be in 1..12"),
        ("rounds.jsonl", b'{"round": 1, "labelled": 1%s, "test": {"test": {"accuracy": 1}}}' % (b"0" * 400), "line 1"),
        ("rounds.jsonl", b'{"a":' * 50_000, "line 1 is no JSON"),
    ],
)
def test_no_damaged_file_ends_a_report(
    make_run: MakeRun, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    make_run([0.5], seed=7)
    path = make_run([0.5, 0.6], method="cal_er") / name
    path.unlink() if content is None else path.write_bytes(content)
    runs = read([tmp_path / "outputs"])
    assert reason in " ".join(problem.reason for problem in runs.problems)
    assert set(runs.table["seed"]) >= {7}
    environments(runs.attempts)


def test_a_folder_in_a_files_place_and_a_folder_of_a_status_alone_are_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    odd = make_run([0.5], method="odd")
    (odd / "status.json").unlink()
    (odd / "status.json").mkdir()
    (tmp_path / "outputs" / "killed").mkdir()
    (tmp_path / "outputs" / "killed" / "status.json").write_text("{}")
    problems = {problem.name: problem.reason for problem in read([tmp_path]).problems}
    assert problems["killed"] == "config.yaml is missing"
    assert problems[odd.name].startswith("status.json cannot be read (Is a directory)")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", "round-1/test_entropy.npy is left out"),
        (b"no array", "round-1/test_entropy.npy is left out"),
        (np.array([0.1, np.nan]), "some of its numbers are not finite"),
        (np.ones((2, 2)), "it holds no list of numbers"),
        (np.array(["a", "b"]), "it holds no list of numbers"),
        (np.ones(3), "it holds 3 rows where others hold 2"),
    ],
)
def test_a_damaged_file_of_entropies_is_said_and_left_out(
    make_run: MakeRun, tmp_path: Path, stored: bytes | np.ndarray, reason: str
) -> None:
    for method in ("al", "cal_er", "cal_sd"):
        (make_run([0.5], method=method) / "round-1").mkdir()
        np.save(tmp_path / "outputs" / f"digits-entropy-{method}-s0-" / "round-1" / "test_entropy.npy", np.ones(2))
    path = tmp_path / "outputs" / "digits-entropy-cal_sd-s0-" / "round-1" / "test_entropy.npy"
    path.write_bytes(stored) if isinstance(stored, bytes) else np.save(path, stored)
    entropies, (problem,) = read([tmp_path]).test_entropies()
    assert len(entropies) == 2
    assert reason in problem.reason


def test_links_are_followed_and_a_link_to_above_ends_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run([0.5])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked").symlink_to(folder)
    (elsewhere / "above").symlink_to(elsewhere)
    runs = read([elsewhere])
    assert list(runs.folders.values()) == [folder]


def test_reading_imports_no_training_stack(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'pytorch_lightning', 'matplotlib', 'timm')))"
    code = f"{blocked}; from calrun.report.read.runs import read; print(len(read([sys.argv[1]]).table))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_nothing_to_read_is_one_sentence_that_says_why(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found nothing"):
        read([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="found none; a run folder holds"):
        read([tmp_path])
    make_run([])
    with pytest.raises(ValueError, match="found none \\(digits"):
        read([tmp_path])


@pytest.mark.slow
def test_two_thousand_runs_of_twenty_rounds_read_in_twenty_seconds(make_run: MakeRun, tmp_path: Path) -> None:
    block = {f"key_{index}": {f"leaf_{leaf}": leaf / 7 for leaf in range(10)} for index in range(12)}
    first = make_run([0.5 + number / 100 for number in range(20)], leaves=block)
    text = (first / "config.yaml").read_text()
    for seed in range(1, 2000):
        folder = first.with_name(f"run-{seed}")
        shutil.copytree(first, folder)
        (folder / "config.yaml").write_text(
            text.replace("seed: 0", f"seed: {seed}").replace("run_id: '", f"run_id: '{seed}-")
        )
    start = time.perf_counter()
    runs = read([tmp_path])
    assert time.perf_counter() - start < 20
    assert len(runs.table) == 40_000


def test_replays_of_one_setting_are_one_line_whatever_each_seed_has_bought(make_run: MakeRun, tmp_path: Path) -> None:
    for whose in ("margin of mlp", "random of mlp"):
        for seed in (0, 1):
            (tmp_path / f"{whose}-{seed}.csv").write_text(f"{whose} {seed}")
            node = {"path": str(tmp_path / f"{whose}-{seed}.csv"), "whose": whose}
            leaves = {"acquisition": node, "initial": dict(node)}
            make_run([0.5, 0.6], seed=seed, acquisition="picks_of", leaves=leaves, tag=whose[:3])
    runs = read([tmp_path])
    assert not [problem for problem in runs.problems if "left out" in problem.reason]
    found = accuracy_by_budget(runs.table)
    assert set(found["acquisition"]) == {"picks of margin of mlp", "picks of random of mlp"}
    assert set(found["n"]) == {2}
