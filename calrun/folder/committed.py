"""rounds.jsonl: the rounds that a run has committed, read with the suspicion that somebody has cut the file."""

import json
from pathlib import Path
from typing import Any

from calrun.machine.files import damaged
from calrun.report.read.lines import check_line


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a rounds.jsonl; none if the file is missing.

    Raises:
        ValueError: if the file is damaged, with the number of the line.
    """
    try:
        texts = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [_parsed(path, number, text) for number, text in enumerate(texts, start=1)]


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        line: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"line {number} is no JSON") from error
    try:
        check_line(line)
        counts = {"round": line["round"], "rounds": line.get("rounds"), "labelled": line["labelled"]}
        if wrong := [name for name, count in counts.items() if not isinstance(count, int)]:
            raise ValueError(f"{wrong[0]} is no whole number: {counts[wrong[0]]!r}")
        if line["round"] != number:
            raise ValueError(f"it holds round {line['round']}")
        if not isinstance(line.get("seconds", {}).get("fit"), int | float):
            raise ValueError("it has no seconds of the fit")
    except ValueError as error:
        raise damaged(path, f"line {number}: {error}") from error
    return line
