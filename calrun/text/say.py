"""What a command tells its user: text is never read as markup."""

import sys
from contextlib import suppress
from typing import Any

from rich.console import Console


def say(line: str, quiet: bool = False) -> None:
    """Prints a line."""
    if not quiet:
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(line)


def warn(line: str) -> None:
    """Says on standard error, where a job's log has it too, what a user should know and what stops nothing."""
    with suppress(OSError):
        print(f"calrun: {line}", file=sys.stderr, flush=True)


def round_text(name: str, line: dict[str, Any]) -> str:
    """Returns the line that the terminal shows of a finished round."""
    test, seconds = next(iter(line["test"].values())), line["seconds"]
    return (
        f"{name}  round {line['round']:>2}/{line['rounds']:<2}  labels {line['labelled']:>7}  "
        f"accuracy {test['accuracy']:6.2%}  train {line['train_accuracy']:6.2%}  fit {seconds['fit']:7.1f} s  "
        f"score {seconds.get('score', 0):5.1f} s  select {seconds.get('select', 0):5.1f} s  "
        f"epochs {line['epochs']:>3}  stop: {line['stop_reason']}"
    )
