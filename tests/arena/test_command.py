"""The command as its user types it: what is missing is played, what is there is not, and nothing wrong is accepted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from calrun.arena.identity import code_of, modules_of, read_module

OWN = '''"""An acquisition from outside."""

import numpy as np

from calrun.acquisition.base import Acquisition


class Longest(Acquisition):
    needs = frozenset({"features"})

    def select(self, candidates, budget, rng):
        norms = candidates.features_ND.norm(dim=1).numpy()
        return candidates.rows[np.argsort(-norms, kind="stable")[:budget]]
'''
FAILS = '''"""Fails on a data set of 64 features."""

from calrun.acquisition.random import RandomRows


class Picky(RandomRows):
    needs = frozenset({"features"})

    def select(self, candidates, budget, rng):
        if candidates.features_ND.shape[1] == 64:
            raise ValueError("64 features are too many")
        return super().select(candidates, budget, rng)
'''


@pytest.fixture
def own_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], Path]:
    """Writes a module of the user's and an option that names its class; returns the folder of options."""

    def written(name: str, source: str, target: str) -> Path:
        folder = tmp_path / "conf" / "acquisition"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{target.partition('.')[0]}.py").write_text(source)
        (folder / f"{name}.yaml").write_text(f"# Mine.\n_target_: {target}\n")
        return tmp_path / "conf"

    return written


def arena(calrun: Callable[..., Any], out: Path, *words: str, seeds: int = 2) -> Any:
    return calrun("arena", "--out", str(out), "--seeds", str(seeds), "--processes", "1", *words)


def stamps(out: Path) -> dict[str, int]:
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in sorted((out / "bank").rglob("*.json"))}


def test_a_new_acquisition_from_outside_replays_nothing(
    calrun: Callable[..., Any], tmp_path: Path, own_option: Callable[[str, str, str], Path]
) -> None:
    out = tmp_path / "arena"
    first = arena(calrun, out, "acquisition=entropy")
    assert first.code == 0, first.err
    before = stamps(out)
    assert len(before) == 3 * 2 * 2  # random, margin and entropy, two budgets, two seeds
    conf = own_option("longest", OWN, "farpick.Longest")
    second = arena(calrun, out, "acquisition=longest", "--config-dir", str(conf))
    assert second.code == 0, second.err
    assert "4 cells played now, 16 in the ranking" in second.out
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    ranking = pd.read_csv(out / "ranking-low.csv")
    assert set(ranking.iloc[:, 0]) == {"random", "margin", "entropy", "longest"}
    assert "entropy" in (out / "arena.html").read_text()
    lost = own_option("lost", "", "nowhere_to_be_found.Lost")
    assert (
        "nowhere_to_be_found.Lost cannot be loaded"
        in arena(calrun, out, "acquisition=lost", "--config-dir", str(lost)).err
    )
    third = arena(calrun, out, "acquisition=longest")  # without its folder nobody can say what its records are of
    assert third.code == 2
    assert "there is no acquisition=longest" in third.err


def test_without_a_folder_of_options_foreign_records_are_left_out(
    calrun: Callable[..., Any], tmp_path: Path, own_option: Callable[[str, str, str], Path]
) -> None:
    out, conf = tmp_path / "arena", own_option("longer", OWN, "longpick.Longest")
    arena(calrun, out, "acquisition=longer", "--config-dir", str(conf), "--budgets", "low", seeds=1)
    answer = arena(calrun, out, "acquisition=entropy", "--budgets", "low", seeds=1)
    assert answer.code == 0
    assert "its records are left out: longer" in answer.out


def test_what_fails_on_one_set_says_where_and_the_ranking_goes_on(
    calrun: Callable[..., Any],
    tmp_path: Path,
    own_option: Callable[[str, str, str], Path],
    write_set: Callable[..., Path],
) -> None:
    conf, out = own_option("picky", FAILS, "pickypick.Picky"), tmp_path / "arena"
    words = ("acquisition=picky", "--config-dir", str(conf), "--features", str(write_set(tmp_path / "sets")))
    answer = arena(calrun, out, *words, "--budgets", "high")
    assert answer.code == 1
    assert " failed, " in answer.out.splitlines()[-1]
    assert "picky failed on digits (high budget, seed 0) after round 1, 64 features are too many" in answer.out
    assert "Not ranked, for some of their cells are missing: picky" in answer.out
    ranking = pd.read_csv(out / "ranking-high.csv").set_index("acquisition")
    assert ranking["rank"].to_dict() == {"margin": "1.5", "random": "1.5", "picky (failed on digits)": "–"}
    assert "64 features are too many" in (out / "arena.html").read_text()


def test_a_changed_acquisition_is_refused_until_fresh(
    calrun: Callable[..., Any], tmp_path: Path, own_option: Callable[[str, str, str], Path]
) -> None:
    conf, out = own_option("changing", OWN, "changingpick.Longest"), tmp_path / "arena"
    words = ("acquisition=changing", "--config-dir", str(conf), "--budgets", "low")
    assert arena(calrun, out, *words, seeds=1).code == 0
    own_option("changing", OWN.replace("-norms", "norms"), "changingpick.Longest")
    for cached in (code_of, modules_of, read_module):
        cached.cache_clear()
    refused = arena(calrun, out, *words, seeds=1)
    assert refused.code == 2
    assert "bank/digits/low/changing/0.json is of another cell: it differs in code of its acquisition" in refused.err
    assert "add --fresh" in refused.err
    assert refused.err.count("\n") == 1
    played = arena(calrun, out, *words, "--fresh", seeds=1)
    assert "1 cells played now" in played.out


WRONG = {
    "a word": (["entropy"], "takes acquisition=NAME,NAME, got 'entropy'"),
    "a misspelt name": (["acquisition=entrpy"], "did you mean entropy"),
    "a key": (["acquisition.k=3"], "takes acquisition=NAME,NAME"),
    "no name": (["acquisition="], "names none"),
    "parts": (["acquisition=learning_loss"], "trains loss_head beside the network; compare by calrun run"),
    "two networks": (["acquisition=regions"], "compares two networks"),
    "pictures": (["acquisition=vaal"], "a row here is 64 numbers"),
    "no seed": (["--seeds", "0"], "--seeds wants 1 or more, got 0"),
    "no process": (["--processes", "0"], "--processes wants 1 or more"),
    "a budget": (["--budgets", "medium"], "--budgets wants low or high, got 'medium'"),
    "a measure": (["--measure", "f1"], "--measure wants accuracy or balanced_accuracy"),
    "a set": (["--sets", "cifar"], "--sets names 'cifar'"),
    "a folder": (["--features", "nowhere"], "is no folder"),
    "a difference": (["--detect", "0"], "--detect wants points"),
    "an option's folder": (["--config-dir", "nowhere"], "there is no nowhere"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_is_one_sentence_before_anything_is_played(
    wrong: str, calrun: Callable[..., Any], tmp_path: Path
) -> None:
    words, said = WRONG[wrong]
    answer = calrun("arena", "--out", str(tmp_path / "arena"), *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "arena").exists()


def test_cheats_are_shown_and_not_ranked(calrun: Callable[..., Any], tmp_path: Path) -> None:
    answer = arena(calrun, tmp_path / "arena", "acquisition=balanced_random", "--budgets", "low", seeds=2)
    assert "balanced random (reads labels)" in answer.out
    ranking = pd.read_csv(tmp_path / "arena" / "ranking-low.csv").set_index("acquisition")
    assert ranking.loc["balanced random (reads labels)", "rank"] == "–"
    assert "balanced_random" not in (tmp_path / "arena" / "versus-random-low.csv").read_text()


@pytest.mark.slow
def test_two_processes_give_the_records_of_one(calrun: Callable[..., Any], tmp_path: Path) -> None:
    for processes in ("1", "2"):
        words = ("--processes", processes, "--seeds", "3", "--sets", "digits")
        calrun("arena", "acquisition=entropy,badge", "--out", str(tmp_path / processes), *words)
    one, two = ({name: curve_of(tmp_path / each / name) for name in stamps(tmp_path / each)} for each in "12")
    assert one == two
    assert len(one) == 4 * 2 * 3


def curve_of(path: Path) -> tuple[float, ...]:
    return tuple(json.loads(path.read_text())["played"]["accuracy"])


@pytest.mark.slow
def test_after_kill_9_what_is_there_is_not_replayed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "calrun", "arena", "acquisition=badge,typiclust", "--out", str(tmp_path)]
    words += ["--seeds", "10", "--processes", "2"]
    process = subprocess.Popen(words, start_new_session=True)
    while len(stamps(tmp_path)) < 5:
        time.sleep(0.1)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)
    before = stamps(tmp_path)
    time.sleep(2)
    assert stamps(tmp_path) == before  # its processes have died with it
    assert len(before) < 80
    assert subprocess.run(words, check=False).returncode == 0
    after = stamps(tmp_path)
    assert len(after) == 80
    assert {name: after[name] for name in before} == before
