"""What a run is: the same content is the same run wherever it lies, other content is refused or a run of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from calrun.folder import content
from calrun.folder.anew import Wanted, number_of
from calrun.folder.claim import Claim
from calrun.folder.code import user_code
from calrun.folder.content import fingerprint
from calrun.folder.identity import RESULTS, canonical, identity, looks_at_last_round, run_id

Typed = Callable[..., Any]
Refusal = Callable[..., str]
ARCHIVE = ("dataset=npz", "model=mlp", "trainer=cpu", "trainer.max_epochs=1", "budget=counts", "budget.start=30")
LOADER = """
from calrun.dataset.npz import load as load_npz


def load(transform):
    return load_npz(path={path!r}, transform=transform, num_classes=None, class_names=None, channels="last")
"""
OWN = """
_target_: loading.load
transform:
  _target_: calrun.dataset.source.transform.Transform
  mean: null
  std: null
"""
STEPS = ("budget.step=10", "budget.rounds=2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(path: Path, seed: int) -> Path:
    """Three classes of vectors; the labels are the same whatever the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.r_[0, 1, 2, np.random.default_rng(0).integers(0, 3, 117)]
    x = np.random.default_rng(seed).normal(size=(120, 6))
    np.savez(path, x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    return path


def words(path: Path) -> list[str]:
    return ["run", *ARCHIVE, *STEPS, f"dataset.path={path}"]


def finished(answer: Any) -> bool:
    assert answer.code == 0, answer
    return " round " not in answer.out and "finished" in answer.out


# --- the data set ---


def test_another_archive_of_the_same_name_is_refused_with_both_values(
    calrun: Typed, refusal: Refusal, tmp_path: Path
) -> None:
    first, second = archive(tmp_path / "a/data.npz", 0), archive(tmp_path / "b/data.npz", 1)
    calrun(*words(first))
    said = refusal(*words(second))
    assert "was begun on other data" in said
    assert {str(first), str(second)} <= set(said.replace(",", "").split())
    assert "--fresh" in said


@pytest.mark.parametrize("name", ["moved/data.npz", "moved/other.npz"])
def test_data_that_is_moved_or_renamed_keeps_its_run(calrun: Typed, tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "data.npz", 0)
    calrun(*words(path))
    (tmp_path / "moved").mkdir()
    path.rename(tmp_path / name)
    os.utime(tmp_path / name, (1, 1))
    assert finished(calrun(*words(tmp_path / name)))


def test_two_archives_of_different_names_are_two_runs(calrun: Typed, tmp_path: Path) -> None:
    for seed, name in enumerate(("a.npz", "b.npz")):
        assert len(calrun(*words(archive(tmp_path / name, seed))).out.splitlines()) == 4
    assert len(list((tmp_path / "outputs/default").glob("npz-*"))) == 2


def test_data_replaced_between_two_rounds_is_refused_and_nothing_is_touched(
    calrun: Typed, refusal: Refusal, tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    path = archive(tmp_path / "data.npz", 0)
    calrun(*words(path), "record.keep_states=true")
    lines = run_folder() / "rounds.jsonl"
    lines.write_text(lines.read_text().splitlines()[0] + "\n")  # as if killed after round 1
    archive(path, 9)
    before = {each: each.read_bytes() for each in run_folder().rglob("*") if each.is_file()}
    assert "was begun on other data" in refusal(*words(path), "record.keep_states=true")
    assert {each: each.read_bytes() for each in run_folder().rglob("*") if each.is_file()} == before


def test_data_mended_before_a_round_is_committed_does_not_lock_the_run(
    calrun: Typed, tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    path = archive(tmp_path / "data.npz", 0)
    calrun(*words(path))
    (run_folder() / "rounds.jsonl").unlink()
    archive(path, 9)
    assert len(calrun(*words(path)).out.splitlines()) == 4
    assert finished(calrun(*words(path)))


def test_a_finished_run_answers_without_its_data_and_says_so(calrun: Typed, tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz", 0)
    calrun(*words(path))
    path.unlink()
    assert "cannot be read and was not compared" in calrun(*words(path)).out


def test_a_loader_that_names_no_file_is_compared_when_it_is_loaded(
    calrun: Typed, refusal: Refusal, tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    """The fingerprint of the loaded data also holds for data that the configuration does not name."""
    path = archive(tmp_path / "data.npz", 0)
    (tmp_path / "loading.py").write_text(LOADER.format(path=str(path)))
    (tmp_path / "conf/dataset").mkdir(parents=True)
    (tmp_path / "conf/dataset/own.yaml").write_text(OWN)
    others = [*ARCHIVE[1:], *STEPS, "record.keep_states=true", "--config-dir", str(tmp_path / "conf")]
    unnamed = ["run", "dataset=own", *others]
    assert calrun(*unnamed).code == 0
    lines = run_folder() / "rounds.jsonl"
    lines.write_text(lines.read_text().splitlines()[0] + "\n")
    archive(path, 9)
    assert "was begun on other data (fingerprint" in refusal(*unnamed)


def test_a_run_says_where_its_data_lay(calrun: Typed, tmp_path: Path, run_folder: Callable[[], Path]) -> None:
    calrun(*words(archive(tmp_path / "data.npz", 0)))
    config = yaml.safe_load((run_folder() / "config.yaml").read_text())
    assert config["data_places"] == [str(tmp_path / "data.npz")]
    assert config["data_files_are"]["files"] == 1


def test_what_is_read_of_the_data_must_be_known(refusal: Refusal, tmp_path: Path) -> None:
    said = refusal(*words(archive(tmp_path / "data.npz", 0)), "dataset.check=some")
    assert said == "calrun: dataset.check wants one of all, sample, off, got 'some'"


def test_without_a_check_sizes_and_names_still_count(calrun: Typed, refusal: Refusal, tmp_path: Path) -> None:
    path = archive(tmp_path / "data.npz", 0)
    calrun(*words(path), "dataset.check=off")
    archive(path, 1)
    assert finished(calrun(*words(path), "dataset.check=off"))
    np.savez(path, x=np.zeros(1000))
    assert "other data" in refusal(*words(path), "dataset.check=off")


# --- fingerprints ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files in two folders."""
    for name, text in (("one/a.txt", "aa"), ("one/b.txt", "bb"), ("two/c.txt", "cc")):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "folder"


def test_names_sizes_and_bytes_count_and_times_and_hidden_files_do_not(folder: Path, tmp_path: Path) -> None:
    first = fingerprint([folder])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    os.utime(copy / "one/a.txt", (1, 1))
    (copy / ".DS_Store").write_text("x")
    assert fingerprint([copy]) == first
    changes: list[Callable[[], object]] = [
        lambda: (copy / "one/a.txt").write_text("ax"),
        lambda: (copy / "one/a.txt").rename(copy / "one/z.txt"),
        lambda: (copy / "two/new.txt").write_text(""),
    ]
    for change in changes:
        before = fingerprint([copy])
        change()
        assert fingerprint([copy]).differs_from(before)


def test_a_file_is_read_once_and_again_when_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in folder.rglob("*.txt"):
        os.utime(path, (1, 1))
    monkeypatch.setattr(content, "SETTLED_SECONDS", -60.0)  # the files' own change times are this second's
    read: list[str] = []
    really = content.read

    def counted(file: content.File, sampled: bool) -> str:
        read.append(file.name)
        return really(file, sampled)

    monkeypatch.setattr(content, "read", counted)
    first = fingerprint([folder])
    assert len(read) == 3
    assert (fingerprint([folder]), len(read)) == (first, 3)
    (folder / "one/a.txt").write_text("ax")
    os.utime(folder / "one/a.txt", (1, 1))  # a copy that keeps times
    assert fingerprint([folder]).differs_from(first)
    assert read[3:] == ["0:one/a.txt"]


def test_a_file_written_this_moment_is_not_remembered(folder: Path, cache: Path) -> None:
    fingerprint([folder])
    assert [json.loads(path.read_text()) for path in (cache / "calrun/content").iterdir()] == [{}]


def test_a_cache_that_cannot_be_written_or_read_changes_nothing(folder: Path, cache: Path) -> None:
    first = fingerprint([folder])
    shutil.rmtree(cache)
    cache.write_text("a file in the way")
    assert fingerprint([folder]) == first


def test_a_packed_file_counts_as_what_it_holds(folder: Path, tmp_path: Path) -> None:
    import gzip

    first = fingerprint([folder])
    (folder / "one/a.txt.gz").write_bytes(gzip.compress(b"aa"))
    assert fingerprint([folder]) == first  # beside the plain file
    (folder / "one/a.txt").unlink()
    assert fingerprint([folder]) == first  # in its place


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "two/up").symlink_to(folder)
    assert fingerprint([folder]).files >= 3


@pytest.mark.timeout(20)
def test_what_is_no_file_is_not_waited_for(folder: Path, refusal: Refusal) -> None:
    before = fingerprint([folder])
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.gz")
    assert fingerprint([folder]) == before
    for option in ("dataset=npz", "dataset.path=PIPE"), ("initial=file", "initial.path=PIPE"):
        words = [word.replace("PIPE", str(folder / "pipe")) for word in option]
        assert "is neither a file nor a folder" in refusal("run", *words)


def test_of_large_data_a_sample_is_read_that_is_always_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SAMPLE_ABOVE_BYTES", 1)
    monkeypatch.setattr(content, "BLOCK_BYTES", 4)
    (folder / "large").write_bytes(bytes(range(256)) * 8)
    first = fingerprint([folder])
    assert (first.read, first) == ("sample", fingerprint([folder]))
    assert fingerprint([folder], "all").read == "all"
    assert not fingerprint([folder], "all").differs_from(first)  # not read alike: names and sizes decide
    (folder / "large").write_bytes(bytes(2048))
    assert fingerprint([folder]).differs_from(first)


# --- the configuration ---


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("optimizer.lr=1", "optimizer.lr=1.0", True),
        ("model.dropout=0", "model.dropout=0.0", True),
        ("trainer.checkpoint_every_seconds=1", "trainer.checkpoint_every_seconds=2", True),
        ("dataset.check=all", "dataset.check=off", True),
        ("budget.rounds=2", "budget.rounds=3", True),
        ("record.energy=true", "record.energy=false", True),
        ("optimizer.lr=1", "optimizer.lr=1.1", False),
        ("seed=1", "seed=2", False),
        ("budget.step=1", "budget.step=2", False),
    ],
)
def test_what_decides_a_result_decides_the_run(
    configure: Callable[..., DictConfig], first: str, second: str, same: bool
) -> None:
    assert (run_id(configure(first)) == run_id(configure(second))) == same


def test_memory_download_and_places_of_public_data_decide_nothing(configure: Callable[..., DictConfig]) -> None:
    plain = run_id(configure("acquisition=coreset"))
    assert run_id(configure("acquisition=coreset", "acquisition.memory_gib=2")) == plain
    public = run_id(configure("dataset=fmnist", small=False))
    others = ("dataset.download=false", "paths.data=/elsewhere/sets", "paths.outputs=there", "experiment_name=x")
    assert {run_id(configure("dataset=fmnist", other, small=False)) for other in others} == {public}


def test_one_label_and_the_whole_pool_are_two_budgets(configure: Callable[..., DictConfig]) -> None:
    one, all_of_it = (run_id(configure("budget=explicit", f"budget.labels=[{n}]", small=False)) for n in ("1", "1.0"))
    assert one != all_of_it


def test_numbers_of_a_users_own_class_stay_as_typed() -> None:
    one, point = ({"model": {"_target_": "mine.Net", "share": share}} for share in (1, 1.0))
    assert json.dumps(canonical(one)) != json.dumps(canonical(point))
    ours, same = ({"model": {"_target_": "calrun.Net", "share": share}} for share in (1, 1.0))
    assert json.dumps(canonical(ours)) == json.dumps(canonical(same))


def test_a_checkpoint_counts_as_its_bytes(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/net.pt", "b/net.pt", "c/other.pt")]
    for path, value in zip(paths, (0.0, 1.0, 0.0), strict=True):
        path.parent.mkdir()
        torch.save({"w": torch.tensor(value)}, path)
    shutil.copy(paths[0], paths[2])
    ids = [run_id(configure("method=finetune", f"method.start.path={path}")) for path in paths]
    assert ids[0] == ids[2] != ids[1]


def test_initial_rows_count_as_the_bytes_of_their_file(calrun: Typed, small: tuple[str, ...], tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    command = ["run", *small, "initial=file", f"initial.path={rows}"]
    for first in (0, 1):
        rows.write_text("\n".join(map(str, range(first, first + 20))))
        assert len(calrun(*command).out.splitlines()) == 5
    assert len(list((tmp_path / "outputs/default").iterdir())) == 2


# --- how many rounds ---


def test_fewer_rounds_than_were_played_answer_with_the_last_one_asked_for(
    play: Typed, run_folder: Callable[[], Path]
) -> None:
    play("budget.rounds=3")
    line = json.loads((run_folder() / "rounds.jsonl").read_text().splitlines()[1])
    answer = play("budget.rounds=2")
    assert finished(answer)
    assert f"accuracy {line['test']['test']['accuracy']:.2%}" in answer.out


def test_the_number_of_rounds_counts_for_a_piece_that_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "looking.py").write_text(
        "class A:\n    def f(self, this_round):\n        return this_round.num_rounds\n"
    )
    (tmp_path / "blind.py").write_text("class A:\n    def f(self, this_round):\n        return this_round.number\n")
    trees = [{"acquisition": {"_target_": f"{name}.A"}, "budget": {"rounds": 2}} for name in ("looking", "blind")]
    assert [looks_at_last_round(tree) for tree in trees] == [True, False]
    assert ["rounds" in canonical(tree)["budget"] for tree in trees] == [True, False]


def test_of_calruns_own_only_training_on_parts_looks_at_the_last_round(configure: Callable[..., DictConfig]) -> None:
    from calrun.places import options

    for group in ("acquisition", "method"):
        for option in options(group)[group]:
            cfg = configure(f"{group}={option}")
            looks = looks_at_last_round(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
            assert looks is option.endswith("gradmatch"), option


def test_what_is_recorded_can_be_asked_for_later(
    play: Typed, run_folder: Callable[[], Path], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    asked = ("record.accuracy_by_round=true", "record.test_entropy=true")
    play("record.keep_states=true", *asked, f"paths.outputs={tmp_path / 'at-once'}")
    (at_once,) = (path.parent for path in (tmp_path / "at-once").rglob("config.yaml"))
    play("record.keep_states=true")
    assert play("record.keep_states=true", *asked).code == 0
    assert result_of(run_folder()) == result_of(at_once)
    for number in (1, 2, 3):
        entropies = [np.load(each / f"round-{number}/test_entropy.npy") for each in (run_folder(), at_once)]
        np.testing.assert_array_equal(*entropies)


def test_what_can_no_longer_be_recorded_is_said(play: Typed) -> None:
    play()
    answer = play("record.accuracy_by_round=true")
    assert "record.accuracy_by_round was not asked for when rounds 1, 2 were played" in " ".join(answer.out.split())
    again = play("record.accuracy_by_round=true")
    assert "rounds 1, 2 were played" in " ".join(again.out.split())


# --- the user's own code ---

MINE = '''
import numpy as np
from helper import order

from calrun.acquisition.base import Acquisition


class Shortest(Acquisition):
    """Takes the shortest."""

    needs = frozenset({"features"})

    def select(self, candidates, budget, rng):
        return candidates.rows[order(candidates.features_ND)[:budget]]
'''
HELPER = "def order(x):\n    return x.norm(dim=1).argsort(stable=True).numpy()\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A user's acquisition, its helper and its option."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "conf/acquisition").mkdir(parents=True)
    (tmp_path / "conf/acquisition/mine.yaml").write_text("_target_: mine.Shortest\n")
    return tmp_path


@pytest.fixture
def play_mine(play: Typed, mine: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Plays a run with the user's acquisition, as a new process would: its modules are imported anew."""

    def typed(*more: str) -> Any:
        for name in ("mine", "helper"):
            monkeypatch.delitem(__import__("sys").modules, name, raising=False)
        return play("acquisition=mine", "--config-dir", str(mine / "conf"), *more)

    return typed


@pytest.mark.parametrize("file", ["mine.py", "helper.py"])
def test_a_change_of_the_users_code_is_said_and_can_be_accepted(
    play_mine: Typed, mine: Path, run_folder: Callable[[], Path], file: str
) -> None:
    play_mine("budget.rounds=2")
    (mine / file).write_text((mine / file).read_text().replace("(stable", "(descending=True, stable") + "\nx = 1\n")
    answer = play_mine("budget.rounds=2")
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert f"{file} changed since" in answer.err
    assert "--accept-code" in answer.err
    assert "--fresh" in answer.err
    accepted = play_mine("budget.rounds=3", "--accept-code")
    assert accepted.code == 0, accepted.err
    assert [line.split()[2] for line in accepted.out.splitlines() if " round " in line] == ["3/3"]
    config = yaml.safe_load((run_folder() / "config.yaml").read_text())
    assert config["code_changes"] == [{"after_round": 2, "changed": f"{file} changed"}]
    assert play_mine("budget.rounds=3").code == 0  # accepted once and for all


def test_comments_docstrings_and_layout_are_no_change(play_mine: Typed, mine: Path) -> None:
    play_mine()
    text = (mine / "mine.py").read_text().replace("Takes the shortest", "Takes those").replace("import", "import  ", 1)
    (mine / "mine.py").write_text("# a comment\n" + text)
    assert finished(play_mine())


def test_fresh_moves_the_folder_aside_and_plays_anew(play_mine: Typed, mine: Path, tmp_path: Path) -> None:
    play_mine()
    (mine / "helper.py").write_text(HELPER.replace("stable=True", "descending=True, stable=True"))
    answer = play_mine("--fresh")
    assert answer.code == 0
    assert "moved aside to" in answer.out
    assert answer.out.count(" round ") == 3
    assert len(list((tmp_path / "outputs/default/.replaced").iterdir())) == 1
    assert finished(play_mine())


def test_fresh_holds_for_every_job_of_a_multirun_once(play: Typed, tmp_path: Path) -> None:
    play("-m", "seed=0,1")
    answer = play("-m", "seed=0,1,0", "--fresh")
    assert answer.code == 0, answer.err
    assert answer.out.count("moved aside to") == 2
    assert len([path for path in (tmp_path / "outputs/default").iterdir() if path.name.startswith("digits")]) == 2


def test_a_job_that_cannot_be_built_leaves_its_folder_where_it_was(play: Typed, tmp_path: Path) -> None:
    def runs() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in (tmp_path / "outputs/default").glob("digits*")}

    play("-m", "seed=0,1", "budget.rounds=1")
    before = runs()
    for words in (("-m", "seed=0,1"), ()):
        answer = play(*words, "budget.rounds=1", "--fresh", "record.energy=maybe")
        assert answer.code == 2
        assert "record.energy wants true or false, got 'maybe'" in answer.err
        assert "moved aside" not in answer.out
    assert len(before) == 2
    assert runs() == before
    assert sum("finished  accuracy" in line for line in play("-m", "seed=0,1", "budget.rounds=1").out.splitlines()) == 2


@pytest.mark.slow
def test_the_same_run_twice_in_a_parallel_multirun_begins_anew_once(tmp_path: Path, small: tuple[str, ...]) -> None:
    parallel = ("seed=0,0", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", f"paths.outputs={tmp_path}")
    command = [sys.executable, "-m", "calrun.cli", "run", "-m", *small, *parallel]
    for flags, moved in (([], 0), (["--fresh"], 1)):
        ended = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended
        assert ended.stdout.count("moved aside to") == moved
        assert ended.stdout.count("round  3/3") == 1


def test_a_job_that_is_requeued_does_not_begin_anew_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    job = Wanted(fresh=True, seen=number_of(folder))
    job.move_aside(folder)
    assert not job.begins_anew(folder)
    (folder / "config.yaml").parent.mkdir()
    job.move_aside(folder)
    assert [path.name for path in (tmp_path / ".replaced").iterdir()] == ["run.1"]
    assert list((tmp_path / ".replaced/run.1").iterdir()) == list(folder.iterdir()) == []


def test_the_code_of_calrun_and_of_packages_is_not_the_users(configure: Callable[..., DictConfig]) -> None:
    assert identity(configure("method=cal_sds2", "acquisition=badge")).code == {}


def test_a_docstring_in_the_place_of_pass_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = set()
    for body in ("pass", '"""Words."""', '"""Words."""\n    pass', "size = 3", 'size = 3\n    """What it is."""'):
        (tmp_path / "worded.py").write_text(f"class Plain:\n    {body}\n")
        digests.add(user_code({"_target_": "worded.Plain"})["worded.py"])
    assert len(digests) == 2


def test_what_hydra_looks_up_by_name_is_code_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "schedule.py").write_text("def half(epoch, epochs):\n    return 0.5\n")
    node = {"_target_": "hydra.utils.get_method", "path": "schedule.half"}
    assert list(user_code({"optimizer": {"schedule": node}})) == ["schedule.py"]


def test_code_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "inner.py").write_text("from . import sibling\nfrom .other import f\nimport numpy\nclass A: ...\n")
    (package / "sibling.py").write_text("import package.inner\n")
    (package / "other.py").write_text("f = 1\n")
    found = user_code({"model": {"_target_": "package.inner.A"}})
    assert {"package/inner.py", "package/sibling.py", "package/other.py"} <= set(found)


def test_another_number_of_calruns_results_is_a_change(
    play: Typed, monkeypatch: pytest.MonkeyPatch, run_folder: Callable[[], Path]
) -> None:
    play()
    path = run_folder() / "config.yaml"
    path.write_text(path.read_text().replace(f"results: {RESULTS}\n", "results: 1\n"))
    answer = play()
    assert answer.code == 2
    assert f"calrun's own results changed (from number 1 to {RESULTS})" in answer.err


def test_every_attempt_at_a_run_is_recorded(play: Typed, run_folder: Callable[[], Path]) -> None:
    play("budget.rounds=1")
    play("budget.rounds=2")
    attempts = json.loads((run_folder() / "environment.json").read_text())["attempts"]
    assert [attempt["command"][-2] for attempt in attempts] == ["budget.rounds=1", "budget.rounds=2"]
    assert {attempt["packages"]["torch"] for attempt in attempts} == {version("torch")}


def test_fresh_is_refused_while_another_process_plays_one_of_the_runs(
    play: Typed, refusal: Refusal, small: tuple[str, ...], tmp_path: Path
) -> None:
    play("-m", "seed=0,1")
    folder = next((tmp_path / "outputs/default").glob("*-s1-*"))
    held = Claim(folder)
    try:
        said = refusal("run", *small, "-m", "seed=0,1", "--fresh")
    finally:
        held.release()
    assert f"another process is running in {folder}" in said
    assert not (tmp_path / "outputs/default/.replaced").exists()


def test_a_damaged_configuration_is_said_to_be_damaged(play: Typed, run_folder: Callable[[], Path]) -> None:
    play()
    (run_folder() / "config.yaml").write_text("run_id: [")
    (run_folder() / "rounds.jsonl").unlink()
    answer = play()
    assert answer.code == 2
    assert "config.yaml is damaged" in answer.err
    assert play("--fresh").code == 0


# --- what others found ---


def test_a_link_to_nothing_does_not_switch_the_comparison_off(
    calrun: Typed, refusal: Refusal, pictures: Path, small: tuple[str, ...]
) -> None:
    (pictures / "link.txt").symlink_to("/nowhere")
    sizes = [
        "dataset.picture.size=8",
        "dataset.picture.resize=8",
        "dataset.num_workers=0",
        "model=cnn",
        "model.width=2",
    ]
    command = ["run", *small[1:-1], "dataset=image_folder", f"dataset.root={pictures}", *sizes, "budget.start=10"]
    assert calrun(*command).code == 0
    for path in (pictures / "train/dark").glob("*.png"):
        path.write_bytes(next((pictures / "train/bright").glob("*.png")).read_bytes())
    assert "was begun on other data" in refusal(*command)


def test_every_place_of_a_list_is_compared() -> None:
    trees = [
        {"dataset": {"_target_": "mine.load", "path": paths}} for paths in (["a.npz", "b.npz"], ["c.npz", "d.npz"])
    ]
    assert canonical(trees[0]) != canonical(trees[1])


def test_further_files_take_no_place_of_the_data_sets_away() -> None:
    trees = [{"dataset": {"path": path}, "data_files": ["x.py"]} for path in ("a.npz", "b.npz")]
    assert canonical(trees[0]) != canonical(trees[1])
    narrowed = [{"dataset": {"root": root}, "data_files": [f"{root}/raw"]} for root in ("data", "elsewhere")]
    assert canonical(narrowed[0]) == canonical(narrowed[1])


@pytest.mark.parametrize("rounds", ["0", "-1", "true"])
def test_an_impossible_number_of_rounds_is_refused_of_a_finished_run_too(
    play: Typed, refusal: Refusal, small: tuple[str, ...], rounds: str
) -> None:
    play()
    assert "budget.rounds wants a whole number" in refusal("run", *small, f"budget.rounds={rounds}")


def test_the_packages_that_a_class_lies_in_are_code_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "outer/deep").mkdir(parents=True)
    for name in ("outer/__init__.py", "outer/deep/__init__.py", "outer/deep/net.py"):
        (tmp_path / name).write_text("x = 1\n")
    found = user_code({"model": {"_target_": "outer.deep.net.A"}})
    assert set(found) == {"outer/__init__.py", "outer/deep/__init__.py", "outer/deep/net.py"}


def test_a_multirun_knows_renamed_data_and_takes_fresh(calrun: Typed, tmp_path: Path) -> None:
    first = archive(tmp_path / "a.npz", 0)
    calrun(*words(first))
    first.rename(tmp_path / "b.npz")
    answer = calrun(*words(tmp_path / "b.npz"), "-m")
    assert "1 run: 1 finished" in answer.out
    answer = calrun(*words(tmp_path / "b.npz"), "-m", "--fresh")
    assert answer.out.count("moved aside to") == 1
    assert answer.out.count(" round ") == 2


def test_fresh_moves_nothing_aside_for_a_run_that_cannot_begin(
    calrun: Typed, refusal: Refusal, tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    path = archive(tmp_path / "a.npz", 0)
    calrun(*words(path))
    before = run_folder()
    path.rename(tmp_path / "gone.npz")
    refusal(*words(path), "--fresh")
    assert run_folder() == before
    assert (before / "rounds.jsonl").exists()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.99])
def test_a_configuration_that_was_cut_is_said_to_be_damaged(
    play: Typed, refusal: Refusal, small: tuple[str, ...], run_folder: Callable[[], Path], share: float
) -> None:
    play()
    path = run_folder() / "config.yaml"
    path.write_text(path.read_text()[: int(share * path.stat().st_size)])
    assert "config.yaml is damaged" in refusal("run", *small)


def test_a_state_of_something_else_is_named(
    play: Typed, refusal: Refusal, small: tuple[str, ...], run_folder: Callable[[], Path]
) -> None:
    play("budget.rounds=2")
    torch.save({"net": 5}, run_folder() / "state-2.pt")
    assert "state-2.pt is damaged" in refusal("run", *small)


def test_a_folder_that_a_users_class_writes_to_makes_no_new_run(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    tree = {"acquisition": {"_target_": "mine.A", "cache_folder": str(tmp_path / "kept")}}
    before = canonical(tree)
    (tmp_path / "kept/file").write_text("x")
    assert canonical(tree) == before


def test_states_that_were_kept_stay_when_a_later_command_does_not_ask_for_them(
    play: Typed, run_folder: Callable[[], Path]
) -> None:
    play("record.keep_states=true", "budget.rounds=3")
    play("budget.rounds=4")
    assert len(list(run_folder().glob("state-*.pt"))) == 4


def test_status_and_runs_survive_files_nested_without_end(
    play: Typed, calrun: Typed, run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    play("seed=1")
    for name in ("environment.json", "status.json", ".claim-1"):
        (run_folder() / name).write_bytes(b"\xff\xfe" if name.startswith(".") else b"[" * 200_000)
    os.utime(run_folder() / ".claim-1", (1, 1))
    assert "1 finished" in calrun("status", str(tmp_path / "outputs")).out
    assert play("seed=1", "budget.rounds=4").code == 0
    (run_folder() / "rounds.jsonl").write_bytes(b"[" * 200_000)
    assert calrun("status", str(tmp_path / "outputs")).code == 0
