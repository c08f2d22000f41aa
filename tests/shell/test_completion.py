"""What a shell shows after a tab."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from calrun.places import options

PRESS_TAB = """
calrun() {{ {python} -m calrun "$@"; }}
eval "$(calrun completion bash)"
complete -p calrun >/dev/null || exit 3
COMP_LINE={line} COMP_POINT={point} COMP_WORDS=(calrun)
_calrun
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("calrun sta", ["status "]),
        ("calrun run method=cal_d", ["cal_der"]),  # bash replaces what follows the =
        ("calrun run -m method=cal_der method.objective.al", ["method.objective.alpha="]),
        ("calrun reproduce cal/table1", [each for each in options()["experiment"] if each.startswith("cal/table1")]),
    ],
)
def test_bash_completes(line: str, wanted: list[str]) -> None:
    text = PRESS_TAB.format(python=sys.executable, line=shlex.quote(line), point=len(line))
    ended = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout.splitlines()) == (0, "", wanted)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("calrun run acquisition=", {f"acquisition={name}" for name in options()["acquisition"]}),
        ("calrun plan model=cnn model.", {"model._target_=", "model.dropout=", "model.width="}),
        ("calrun list ", set(options())),
        ("calrun completion ", {"bash", "zsh", "fish"}),
        ("calrun fea", {"features"}),
        ("calrun features ", {"compute", "list", "verify", "remove"}),
        ("calrun features compute feature_store=", {f"feature_store={name}" for name in options()["feature_store"]}),
        ("calrun features remove 78", set()),
        ("calrun status out", set()),  # files are the shell's
    ],
)
def test_options_and_keys_are_those_of_the_words_before(
    line: str, wanted: set[str], calrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALRUN_COMPLETE", line)
    answer = calrun("list")
    assert (answer.code, set(answer.out.split())) == (0, wanted)


def test_another_shell_is_refused(refusal: Callable[..., str]) -> None:
    assert "calrun completes in bash, zsh, fish, got 'tcsh'" in refusal("completion", "tcsh")
