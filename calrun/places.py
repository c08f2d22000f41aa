"""Where calrun's own files are, installed or in a checkout, and where those of an experiment go."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent
SHOWN_GROUPS = ("dataset", "model", "method", "acquisition")  # groups whose options name a run
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir())


def cache_folder() -> Path:
    """Returns the folder of what could be computed again but is kept; it need not exist or be writable."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "calrun")


def options(group: str | None = None, config_dir: Path | None = None) -> dict[str, list[str]]:
    """Returns the options of each group of the configuration; those that begin with _ are parts of others, left out.

    Args:
        group: only this one.
        config_dir: a folder of a user's own options, beside calrun's.

    Raises:
        ValueError: if there is no such group or no such folder.
    """
    if config_dir is not None and not config_dir.is_dir():
        raise ValueError(f"--config-dir wants a folder with a folder for each group, but there is no {config_dir}")
    groups = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
    if group is not None and group not in groups:
        raise ValueError(f"there is no group {group!r}; choose one of: {', '.join(groups)}")
    roots = [CONF, *([config_dir] if config_dir else [])]
    return {
        name: sorted({option for root in roots for option in _options_of(root / name)})
        for name in ([group] if group else groups)
    }


def experiment_folder(outputs: object, name: object) -> Path:
    """Returns the folder of an experiment's runs.

    Raises:
        ValueError: if a name is not text, or leads out of the outputs.
    """
    for key, value in (("paths.outputs", outputs), ("experiment_name", name)):
        if not isinstance(value, str) or not value.strip():
            came = "nothing" if value is None or value == "" else repr(value)
            example = f"\"{key}='{value or 'runs'}'\""
            raise ValueError(f"{key} wants text, got {came}; put quotes inside the quotes: {example}")
    folder = Path(str(name))
    if folder.is_absolute() or ".." in folder.parts or folder == Path():
        raise ValueError(
            f"experiment_name is {name}, which leads out of paths.outputs ({outputs}); name a folder within it, and "
            "choose another place by paths.outputs"
        )
    return Path(str(outputs)) / folder


def is_place(name: str) -> bool:
    """Tells whether a name can only be a place on this machine; a name at huggingface.co is NAME or OWNER/NAME."""
    place = Path(name).expanduser()
    parent, _, rest = name.rpartition("/")
    is_below = bool(parent) and (not rest or Path(parent).is_dir())
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name or is_below or place.exists()


def _options_of(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return [str(path) for path in paths if not path.name.startswith("_")]
