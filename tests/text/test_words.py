"""What a user types reaches Hydra as he means it, or comes back as he has to type it."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from calrun.text.words import quoted, typed

Refusal = Callable[..., str]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_quoted_text_is_read_as_it_is(value: str) -> None:
    override = quoted("dataset.path", value)
    assert OverridesParser.create().parse_override(override).value() == value
    printed = subprocess.run(["bash", "-c", f"printf %s {typed(override)}"], capture_output=True, text=True, check=True)
    assert printed.stdout == override


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        ("epoch=9-step=3.npz", "= means"),
        ("data (1).npz", "a space and ( and ) mean"),
        ("d[1].npz", "[ and ] mean"),
        ("données.npz", "é means"),
        ("a#b.npz", "# means"),
        ("a{b.npz", "{ means"),
        ("it's.npz", "' means"),
        ("x;y.npz", "; means"),
        ("\N{SNOWMAN}.npz", "means"),
    ],
)
def test_signs_in_a_value_want_quotes_inside_the_quotes(value: str, sign: str, refusal: Refusal) -> None:
    line = refusal("run", "dataset=npz", f"dataset.path={value}")
    said, _, mended = line.partition("put quotes inside the quotes: ")
    assert f"{sign} something else to Hydra" in said or sign == "means"
    assert "^" not in said
    (word,) = shlex.split(mended)
    assert f"no file {value}" in refusal("run", "dataset=npz", word)


def test_the_corrected_override_is_shown(refusal: Refusal) -> None:
    line = refusal("run", "dataset=npz", "dataset.path=epoch=9.npz")
    assert line.endswith("""put quotes inside the quotes: "dataset.path='epoch=9.npz'\"""")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--seed", "3"], "write seed=3"),
        (["--seed=3"], "write seed=3"),
        (["--seed"], "write seed=VALUE"),
        (["-m", "--seed", "3"], "write seed=3"),
        (["--method", "cal_er"], "write method=cal_er"),
        (["--trainer.batch-size=8"], "write trainer.batch_size=8"),
        (["--lr", "0.1"], "write optimizer.lr=0.1"),
        (["--multirn"], "the nearest is --multirun"),
        (["-x"], "values are given as KEY=VALUE, such as seed=3"),
        (["--cfg", "jbo"], "invalid choice: 'jbo'"),
        (["seed"], "'seed' has no ="),
        (["=3"], "=3 has nothing before its ="),
        (["x=a=b"], """put quotes inside the quotes: "x='a=b'\""""),
        (["-m", "seed=0,1,"], "seed=0,1, ends with a comma; write seed=0,1"),
        (["seed=3,"], "seed=3, ends with a comma; write seed=3"),
        (["seed=0,1"], "add -m to play a run for each"),
        (["a b=3"], "is neither GROUP=OPTION nor KEY=VALUE"),
    ],
)
def test_a_word_that_hydra_cannot_take_is_mended(words: list[str], wanted: str, refusal: Refusal) -> None:
    assert wanted in refusal("run", *words)


@pytest.mark.parametrize("word", ["{}=~/out", "{}='~/out'", '{}="~/out"', "{}=~"])
def test_a_literal_home_is_the_users(
    word: str, play: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "ho me"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    assert play(word.format("paths.outputs"), "budget.rounds=1").code == 0
    assert list(home.rglob("rounds.jsonl"))
    assert not (tmp_path / "~").exists()
