"""The library `transformers`, without what it says to its own users, and names that may be folders."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from calrun.model.adapt.adapter import first_line
from calrun.places import is_place

PROBE_SECONDS = 5.0


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
    """Returns where something lies and the options to read it: a folder is read without a network.

    Raises:
        ValueError: if it can only be a folder and there is none, or if it is a name that cannot be looked up now.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder), {"local_files_only": True}
    if is_place(name):
        raise ValueError("that is a file" if folder.exists() else "there is no such folder")
    if reason := unreachable():
        refuse_uncached(name, ("config.json", "tokenizer_config.json"), reason)
        return name, {"local_files_only": True}
    return name, {}


def refuse_uncached(name: str, files: Sequence[str], reason: str) -> None:
    """Raises a ValueError unless one of the files of a name at huggingface.co has been downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    if not any(isinstance(try_to_load_from_cache(name, file), str) for file in files):
        raise ValueError(f"there is no folder {name} here, it was not downloaded before, and {reason}")


@cache
def unreachable() -> str:
    """Returns why huggingface.co cannot be asked, and nothing if it can; its own library tries for a minute."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
    except Exception as error:  # of many kinds, by what is wrong with the network
        return f"{constants.ENDPOINT} cannot be reached ({first_line(error)})"
    return ""
