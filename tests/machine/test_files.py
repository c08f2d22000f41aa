"""Files are the old ones or the new ones."""

import io
import json
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from calrun.machine.files import load_tensors, readable, remove_parts, replace_file, replace_tensors, replace_text


def test_a_file_is_replaced_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    replace_text(path, "old")
    replace_text(path, "new", durable=False)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    replace_text(path, "old")

    def fail(beside: Path) -> None:
        beside.write_text("half of the n")
        raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        replace_file(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    replace_text(path, "old")
    (tmp_path / ".file.txt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full:
        replace_text(path, "new")
    assert full.value.filename == str(path)
    assert path.read_text() == "old"
    replace_text(path, "new")
    assert path.read_text() == "new"


def test_a_full_disk_is_told_as_such_for_tensors_too(tmp_path: Path) -> None:
    (tmp_path / ".state.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        replace_tensors(tmp_path / "state.pt", {"x": torch.zeros(100_000)})
    assert not (tmp_path / "state.pt").exists()


def test_a_full_disk_leaves_no_buffer_that_cannot_be_closed(tmp_path: Path) -> None:
    """Python 3.13 prints a second message about a buffer that somebody still looks at."""
    (tmp_path / ".state.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full:
        replace_tensors(tmp_path / "state.pt", {"x": torch.zeros(100_000)})
    values = [value for frame, _ in traceback.walk_tb(full.tb) for value in frame.f_locals.values()]
    (buffer,) = {value for value in values if isinstance(value, io.BytesIO)}
    buffer.close()


def test_tensors_come_back_without_pickled_code(tmp_path: Path) -> None:
    state = {"x": torch.arange(3), "nested": {"number": 2.5, "none": None}}
    replace_tensors(tmp_path / "state.pt", state)
    found = torch.load(tmp_path / "state.pt", weights_only=True)
    assert torch.equal(found["x"], state["x"])
    assert found["nested"] == state["nested"]


def test_an_optional_file_is_read_missed_or_said_to_be_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.json"
    assert readable(path, lambda found: json.loads(found.read_text())) is None
    path.write_text("[1]")
    assert readable(path, lambda found: json.loads(found.read_text())) == [1]
    assert capsys.readouterr().err == ""
    path.write_text("[1")
    assert readable(path, lambda found: json.loads(found.read_text())) is None
    assert capsys.readouterr().err == f"calrun: {path} cannot be read (JSONDecodeError); going on without it\n"
    assert readable(tmp_path, lambda found: found.read_text()) is None
    assert "IsADirectoryError" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\x03" + b"\0" * 7, b"\x04" + b"\0" * 7, 1)),
        lambda path: path.write_bytes(b""),
    ],
)
def test_tensors_that_are_cut_or_changed_are_seen(
    damage: Callable[[Path], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "phase-0.ckpt"
    assert readable(path, load_tensors, "the fit begins anew") is None
    replace_tensors(path, {"net": torch.arange(1000)})
    whole = readable(path, load_tensors, "the fit begins anew")
    assert whole is not None
    assert torch.equal(whole["net"], torch.arange(1000))
    assert capsys.readouterr().err == ""
    damage(path)
    assert readable(path, load_tensors, "the fit begins anew") is None
    assert capsys.readouterr().err == f"calrun: {path} cannot be read (BadZipFile); the fit begins anew\n"


def test_half_written_files_are_removed_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "round-1" / "deep").mkdir(parents=True)
    for name in (".a.part", "round-1/.b.part", "round-1/deep/.c.part", "round-1/d.part", "e"):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"d.part", "e"}
