"""The epochs of a round, kept for loggers."""

from pathlib import Path

from calrun.folder.epochs_file import Epoch, add_epoch, read_epochs, write_epochs
from calrun.part.figures import EpochFigures

EPOCHS = [Epoch(0, 1, EpochFigures(0.5, 1.25)), Epoch(1, 1, EpochFigures(0.75, 1e-30, 0.5))]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_epochs(tmp_path, 3) == []
    write_epochs(tmp_path, 3, EPOCHS[:1])
    add_epoch(tmp_path, 3, EPOCHS[1])
    assert read_epochs(tmp_path, 3) == EPOCHS


def test_a_line_that_a_kill_has_cut_off_does_not_count(tmp_path: Path) -> None:
    write_epochs(tmp_path, 1, EPOCHS)
    path = tmp_path / "round-1" / "epochs.jsonl"
    path.write_text(path.read_text()[:-9])
    assert read_epochs(tmp_path, 1) == EPOCHS[:1]
