"""What a command tells its user on standard output: text is never read as markup, and a closed pipe ends nothing."""

from contextlib import suppress

from rich.console import Console


def say(line: str, quiet: bool = False) -> None:
    """Prints a line."""
    if not quiet:
        with suppress(BrokenPipeError):
            Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(line)
