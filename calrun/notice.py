"""What a user should know although the run goes on: one line on standard error, so that answers stay readable."""

import os
from contextlib import suppress

from rich.console import Console


def notice(line: str) -> None:
    """Prints a line, unless somebody else shows what the runs of a sweep do."""
    if os.environ.get("CALRUN_QUIET") != "1":
        with suppress(BrokenPipeError):
            Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False).print(f"calrun: {line}")
