"""What a command tells its user: text is never read as markup."""

import sys
from contextlib import suppress

from rich.console import Console


def say(line: str, quiet: bool = False) -> None:
    """Prints a line."""
    if not quiet:
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(line)


def warn(line: str) -> None:
    """Tells the user what is worth knowing but stops nothing; on standard error, which a job's log has too."""
    with suppress(OSError):
        print(f"calrun: {line}", file=sys.stderr, flush=True)
