from collections.abc import Callable
from pathlib import Path

from calrun.report.page.html import environments
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def attempt(**facts: object) -> dict[str, object]:
    return {"time": "2026", "device": "cpu", "packages": {"torch": "2.5", "numpy": "2"}, "command": ["run"]} | facts


def test_attempts_on_one_kind_of_machine_are_no_remark(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], attempts=[attempt(), attempt(time="2027", host="b")])
    runs = read([tmp_path])
    assert runs.problems == []
    assert [len(attempts) for attempts in runs.attempts.values()] == [2]


def test_another_device_or_version_in_a_later_attempt_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], attempts=[attempt(), attempt(device="H100", packages={"torch": "2.6", "numpy": "2"})])
    (problem,) = read([tmp_path]).problems
    assert problem.reason == "its 2 attempts had different device (cpu, H100) and torch (2.5, 2.6)"


def test_the_page_shows_every_environment_with_its_runs_and_commands(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], attempts=[attempt(), attempt(device="H100", command="odd \x1b")])
    make_run([0.5], seed=1, attempts=[attempt(command=["run", "seed=1"])])
    first, second = environments(read([tmp_path]).attempts)
    assert (len(first["runs"]), list(first["commands"])) == (2, ["run", "run seed=1"])
    assert (len(second["runs"]), list(second["commands"])) == (1, ["odd \\x1b"])
