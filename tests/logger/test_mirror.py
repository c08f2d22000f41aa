"""What is sent to a library with W&B's calls: everything once, whenever the run was killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.unsent import OPEN_FILE
from calrun.logger.mirror import Mirror, unsent
from calrun.part.figures import EpochFigures

CONFIG = {
    "choices": {"dataset": "digits", "model": "mlp", "method": "al", "acquisition": "random"},
    "experiment": "first",
    "run_id": "1",
    "logger": {"_target_": "mine.Shelf"},
}


class Library:
    """A library that remembers its rows, and fails at one if it is told to."""

    def __init__(self, fails_at: int = 10**9) -> None:
        self.rows: list[dict[str, Any]] = []
        self.artifacts: list[Any] = []
        self.fails_at = fails_at

    def log(self, row: dict[str, Any]) -> None:
        if len(self.rows) == self.fails_at:
            raise ConnectionError("the other\nend is gone")
        self.rows.append(row)

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)


class Shelf(Mirror):
    """A logger of that library."""

    option = "shelf"

    def __init__(self, library: Library, held: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.library, self.already = library, held or {}

    def begin(self, config: dict[str, Any], name: str, group: str, job_type: str) -> Any:
        self.held = self.already
        return self.library

    def artifact(self, name: str, kind: str, files: list[Path]) -> Any:
        return kind, [path.name for path in files]

    def end(self, exit_code: int) -> None:
        self.ended = exit_code


def figures(loss: float) -> EpochFigures:
    return EpochFigures(train_accuracy=0.5, train_loss=loss)


def line(number: int, **more: Any) -> dict[str, Any]:
    return {"round": number, "labelled": 10 * number, **more}


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., Shelf]:
    """Begins a logger for a run with some finished rounds."""

    def made(library: Library, finished: list[dict[str, Any]], held: dict[str, Any] | None = None) -> Shelf:
        shelf = Shelf(library, held)
        shelf.start(tmp_path, CONFIG, lambda: finished)
        return shelf

    return made


def losses(library: Library, number: int) -> list[tuple[int, float]]:
    name = f"round_{number}"
    return [(row[f"{name}/epoch"], row[f"{name}/train_loss"]) for row in library.rows if f"{name}/epoch" in row]


def test_a_curve_stands_before_its_round(begun: Callable[..., Shelf]) -> None:
    shelf = begun(library := Library(), [])
    shelf.epoch(1, 0, 1, figures(2.0))
    shelf.log(line(1, test={"test": {"accuracy": 0.25}}))
    assert library.rows == [
        {"round_1/epoch": 1, "round_1/train_accuracy": 0.5, "round_1/train_loss": 2.0},
        {"round": 1, "labelled": 10, "test/test/accuracy": 0.25},
    ]


def test_the_epochs_of_a_second_phase_go_on_from_those_of_the_first(begun: Callable[..., Shelf]) -> None:
    shelf = begun(library := Library(), [])
    for phase, epoch in ((0, 1), (0, 2), (1, 1), (1, 2), (1, 3)):
        shelf.epoch(1, phase, epoch, figures(phase + epoch / 10))
    assert losses(library, 1) == [(1, 0.1), (2, 0.2), (3, 1.1), (4, 1.2), (5, 1.3)]


def test_after_a_kill_the_epochs_before_the_checkpoint_count_and_those_after_it_are_new(
    begun: Callable[..., Shelf],
) -> None:
    killed = begun(Library(), [])
    for number, phase, epoch in ((1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 1, 2), (2, 1, 3)):
        killed.epoch(number, phase, epoch, figures(1.0))
    again = begun(library := Library(), [line(1)])
    again.epoch(2, 1, 2, figures(3.0))  # the checkpoint was made after the first epoch of phase 1
    assert losses(library, 1) == [(1, 1.0)]
    assert losses(library, 2) == [(1, 1.0), (2, 1.0), (3, 3.0)]


def test_what_the_library_holds_is_not_sent_again(begun: Callable[..., Shelf]) -> None:
    killed = begun(Library(), [])
    for epoch in (1, 2):
        killed.epoch(1, 0, epoch, figures(1.0))
    killed.log(line(1))
    for epoch in (1, 2):
        killed.epoch(2, 0, epoch, figures(2.0))
    held = {name: value for row in killed.library.rows for name, value in row.items()}
    again = begun(library := Library(), [line(1)], held)
    for epoch in (1, 2, 3):  # from the beginning of the round: there was no checkpoint
        again.epoch(2, 0, epoch, figures(2.0))
    again.log(line(2))
    assert library.rows == [{"round_2/epoch": 3, "round_2/train_accuracy": 0.5, "round_2/train_loss": 2.0}, line(2)]


def test_of_a_line_that_is_held_only_what_was_amended_is_sent() -> None:
    held = {"round": 2, "labelled": 20, "rounds": 2, "note": 1.0}
    assert unsent({**held, "round": 1, "labelled": 10, "note": 5.0}, held) == {}
    assert unsent({**held, "rounds": 3}, held) == {"round": 2, "labelled": 20, "rounds": 3}
    assert unsent({**held, "round": 1, "auc": 0.5}, held) == {"round": 1, "labelled": 20, "auc": 0.5}
    assert unsent({**held, "round": 3}, held) == {**held, "round": 3}


def test_lines_are_read_when_they_are_final(begun: Callable[..., Shelf]) -> None:
    finished = [line(1, rounds=1)]
    shelf = begun(library := Library(), finished)
    finished[0] = line(1, rounds=2)  # the loop amends it before it plays another round
    shelf.epoch(2, 0, 1, figures(1.0))
    assert library.rows[0] == line(1, rounds=2)


def test_a_library_that_fails_is_said_once_and_its_curve_is_kept(
    begun: Callable[..., Shelf], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = begun(Library(fails_at=1), [])
    for epoch in (1, 2, 3):
        shelf.epoch(1, 0, epoch, figures(1.0))
    shelf.log(line(1))
    shelf.finish(0)
    assert capsys.readouterr().err == (
        "calrun: logger=shelf takes no more (ConnectionError: the other end is gone); the run goes on, and the same "
        "command sends the rest later\n"
    )
    assert (tmp_path / OPEN_FILE).read_text() == "mine.Shelf\n"
    later = begun(library := Library(), [line(1)])
    later.finish(0)
    assert [epoch for epoch, _ in losses(library, 1)] == [1, 2, 3]
    assert library.rows[-1] == line(1)
    assert not (tmp_path / OPEN_FILE).exists()


def test_only_a_finished_run_sends_its_picks(begun: Callable[..., Shelf], tmp_path: Path) -> None:
    (tmp_path / "picks.csv").touch()
    for code, expected in ((130, []), (0, [("picks", ["picks.csv"])])):
        shelf = begun(library := Library(), [])
        shelf.finish(code)
        assert library.artifacts == expected
        assert shelf.ended == code
