"""A run folder may hold any file under the name config.yaml."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from calrun.folder.config_file import DEEPEST, MOST_BYTES, parsed


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


DEEP = 100_000
ABSURD: dict[str, tuple[Callable[[Path], object], str]] = {
    "brackets": (lambda path: path.write_text("[" * DEEP), "nested too deeply"),
    "a key with brackets": (lambda path: path.write_text("seed: " + "[" * DEEP + "]" * DEEP), "nested too deeply"),
    "dashes": (lambda path: path.write_text("- " * DEEP), "nested too deeply"),
    "a large one": (huge, "too large"),
}


def test_an_absurd_configuration_is_said_and_stops_no_reader(
    play: Callable[..., Any], calrun: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    play("budget.rounds=1")
    folder = run_folder()
    for name, (write, why) in ABSURD.items():
        odd = tmp_path / "outputs/default" / name.replace(" ", "-")
        shutil.copytree(folder, odd)
        write(odd / "config.yaml")
        assert calrun("status", str(odd)).code == 0
        report = calrun("report", str(tmp_path / "outputs"), "--out", str(tmp_path / "report"))
        assert report.code == 0
        assert "config.yaml is left alone: it is " + why in " ".join((report.out + report.err).split())
        shutil.rmtree(odd)
        whole = (folder / "config.yaml").read_bytes()
        write(folder / "config.yaml")
        answer = play("budget.rounds=1")
        assert answer.code == 2
        assert answer.err.startswith(f"calrun: {folder / 'config.yaml'} is damaged; put back a copy")
        (folder / "config.yaml").write_bytes(whole)


def test_what_is_as_deep_as_allowed_is_read() -> None:
    deepest = "[" * DEEPEST + "]" * DEEPEST
    assert parsed(deepest) == yaml.safe_load(deepest)
    with pytest.raises(ValueError, match="more than 100 levels"):
        parsed(f"[{deepest}]")


@pytest.mark.parametrize("name", ["status.json", ".claim-1", "rounds.jsonl"])
def test_absurd_json_stops_no_reader_either(
    play: Callable[..., Any], calrun: Callable[..., Any], run_folder: Callable[[], Path], name: str
) -> None:
    play("budget.rounds=1")
    (run_folder() / name).write_text("[" * DEEP)
    for answer in (calrun("status", str(run_folder())), play("budget.rounds=1")):
        assert answer.code in (0, 2)
        assert "Traceback" not in answer.err
