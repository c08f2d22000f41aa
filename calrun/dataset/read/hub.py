"""Opening a data set of Hugging Face's library `datasets`, without what it says to its own users."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calrun.places import cache_folder, is_place

WHOLE = "train"  # what a data set of one split is called
SAVED = ("dataset_dict.json", "state.json")  # one of these is in a folder that `save_to_disk` has written


def opened(path: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    """Returns the splits by name, mapped from files of Arrow.

    Plain files of a folder are brought into such files in the cache once; a name at huggingface.co is looked up there,
    and in the cache of `datasets` where there is no network or HF_HUB_OFFLINE=1 forbids it.

    Args:
        path: a folder or a name.
        config: the configuration of a name.
        revision: of a name.

    Raises:
        ValueError: if nothing can be opened there.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir() and is_place(path):
        came = "is a file" if folder.is_file() else "is no folder"
        raise ValueError(f"dataset.path={path} {came}; give a folder, or a name at huggingface.co")
    library = quiet()
    try:
        if folder.is_dir() and any((folder / name).is_file() for name in SAVED):
            found = library.load_from_disk(str(folder))
        elif folder.is_dir():
            found = library.load_dataset(str(folder), config, cache_dir=str(cache_folder() / "datasets"))
        else:
            found = library.load_dataset(path, config, revision=revision)
    except Exception as error:  # of many kinds, by what is missing or damaged
        what = path if folder.is_dir() else f"{path} is no folder here and"
        raise ValueError(f"dataset.path={what} cannot be loaded ({reason_of(error)}); {advice(folder)}") from error
    return found if isinstance(found, dict) else {WHOLE: found}


def quiet() -> Any:
    """Returns the library; it is slow to import, so that only those who need it ask."""
    import datasets
    import huggingface_hub

    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    huggingface_hub.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return datasets


def reason_of(error: BaseException) -> str:
    """Returns what an error was caused by, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200] or type(error).__name__


def advice(folder: Path) -> str:
    """Returns what to do about it."""
    if folder.is_dir():
        return "give a folder that save_to_disk has written, or one of csv, json, parquet or arrow files"
    return (
        "give a folder, or a name at huggingface.co; without a network it must be in the cache of datasets already: "
        "load it once where there is one"
    )
