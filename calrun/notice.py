"""What a run says besides its rounds."""

import sys


def notice(text: str) -> None:
    """Prints a line that a user must see; loggers would not show it, because Hydra switches them off in a run."""
    print(f"calrun: {text}", file=sys.stderr, flush=True)
