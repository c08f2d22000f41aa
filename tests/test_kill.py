"""A run killed at every one of its file operations, and within every file it writes, ends as the unbroken one.

Real kills: a forked process gives itself SIGKILL before its n-th operation, or the kernel ends it at the first bytes of
a file. Python's audit events tell each operation, whoever asks for it.
"""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

import calrun.play  # noqa: F401 - here, and not in every process that is forked
from calrun.folder.status import RunStatus, runs_below
from calrun.run import play

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.utime", "os.chmod", "os.truncate"}
FEW_BYTES = 10
CHOICES = {"dataset": "digits", "model": "mlp", "method": "al_ws", "acquisition": "entropy"}
TINY = (
    "method=al_ws", "budget.rounds=2", "trainer.max_epochs=2", "trainer.checkpoint_every_seconds=0",
    "record.test_entropy=true",
)  # fmt: skip


def statuses(folder: Path) -> list[RunStatus]:
    return [*runs_below(folder).values()]


class Killer:
    """Counts the operations on files below a folder and ends the process at one of them.

    Args:
        at: the operation, from 0; none if it is negative.
        within: ends it at the first bytes of the first file that it writes from there on instead.
    """

    def __init__(self, below: Path, at: int, within: bool) -> None:
        self.below, self.at, self.within, self.met = str(below), at, within, list[str]()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if not (writes or event in CHANGES) or not self._is_ours(arguments[0]):
            return
        if len(self.met) == self.at and not self.within:
            os.kill(os.getpid(), signal.SIGKILL)
        if 0 <= self.at <= len(self.met) and writes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FEW_BYTES, FEW_BYTES))
        self.met.append(event if writes else event.removeprefix("os."))

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | Path) and str(path).startswith(self.below)


def in_a_child(work: Callable[[], object]) -> int:
    """Does something in a forked process; returns its exit code, negative if a signal ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def played(cfg: DictConfig, outputs: Path, killer: Killer | None = None) -> int:
    """Plays what is missing in a process of its own."""

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python turns it into an error
        cfg.paths.outputs = str(outputs)
        if killer is not None:
            sys.addaudithook(killer)
        play(cfg, CHOICES, quiet=True)
        if killer is not None:
            (outputs / "operations").write_text("\n".join(killer.met))

    outputs.mkdir(exist_ok=True)
    return in_a_child(work)


def files_of(outputs: Path) -> dict[str, Path]:
    """The files of the one run, by name."""
    (folder,) = (path.parent for path in outputs.rglob("config.yaml"))
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def unbroken(
    configure: Callable[..., DictConfig], once: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Where the unbroken run is, with the list of its operations."""
    if "unbroken" not in once:
        once["unbroken"] = tmp_path_factory.mktemp("unbroken")
        assert played(configure(*TINY), once["unbroken"], Killer(once["unbroken"], -1, False)) == 0
    return once["unbroken"]


@pytest.fixture(scope="module")
def once() -> dict[str, Path]:
    """What has been played for all tests."""
    return {}


def survives(cfg: DictConfig, unbroken: Path, outputs: Path, at: int, within: bool, result_of: Any) -> bool:
    """Kills a run, looks at it, plays on, and compares; tells whether it was killed before its end."""
    case = f"operation {at}, {'within' if within else 'before'}"
    code = played(cfg, outputs, Killer(outputs, at, within))
    assert code in (0, -signal.SIGXFSZ if within else -signal.SIGKILL), case
    if list(outputs.rglob("config.yaml")):
        (run,) = statuses(outputs)
        assert run.state in ("interrupted", "finished"), case
    assert played(cfg, outputs) == 0, case
    ours, theirs = files_of(outputs), files_of(unbroken)
    assert ours.keys() == theirs.keys(), case
    assert result_of(ours["config.yaml"].parent) == result_of(theirs["config.yaml"].parent), case
    states = [torch.load(files["state-2.pt"], weights_only=True)["net"] for files in (ours, theirs)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1]), case
    assert [run.state for run in statuses(outputs)] == ["finished"], case
    return code != 0


def written(unbroken: Path) -> list[str]:
    """The operations of the unbroken run."""
    return (unbroken / "operations").read_text().splitlines()


@pytest.mark.parametrize(("name", "within"), [("link", False), ("open", True), ("rename", False)])
def test_a_run_killed_while_it_is_begun_or_commits_is_the_unbroken_one(
    name: str, within: bool, unbroken: Path, configure: Callable[..., DictConfig], tmp_path: Path, result_of: Any
) -> None:
    """The claim made, config.yaml half-written, and the file renamed that commits the last round."""
    met = written(unbroken)
    first = met.index("link")
    at = {"link": first, "open": met.index("open", first), "rename": len(met) - met[::-1].index("rename") - 1}[name]
    assert survives(configure(*TINY), unbroken, tmp_path / "broken", at, within, result_of)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_killed_at_any_of_its_file_operations_is_the_unbroken_one(
    unbroken: Path, configure: Callable[..., DictConfig], tmp_path: Path, result_of: Any
) -> None:
    """How often a run says what it is at depends on the time, so that the last operations may not be there again."""
    met = written(unbroken)
    cases = [(at, within) for at, name in enumerate(met) for within in (False, True) if name == "open" or not within]
    killed = [
        survives(configure(*TINY), unbroken, tmp_path / f"{at}-{within}", at, within, result_of) for at, within in cases
    ]
    assert sum(killed) > 0.9 * len(cases) > 60
