"""The library `transformers`, without what it says to its own users, and names that may be folders."""

import os
from pathlib import Path
from typing import Any


def hub() -> Any:
    """Returns the library; it is slow to import, so that only those who need it ask."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # or it would warn wherever a process forks later
    import huggingface_hub
    import transformers

    huggingface_hub.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers


def place_of(name: str) -> tuple[str, dict[str, bool]]:
    """Returns where something lies and the options to read it: a folder is read without a network."""
    folder = Path(name).expanduser()
    return (str(folder), {"local_files_only": True}) if folder.is_dir() else (name, {})
