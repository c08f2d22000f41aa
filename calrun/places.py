"""Where calrun's own files are, installed or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir())


def options(group: str | None = None) -> dict[str, list[str]]:
    """Returns the options of each group of the configuration; those that begin with _ are parts of others.

    Raises:
        ValueError: if there is no such group.
    """
    groups = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
    if group is not None and group not in groups:
        raise ValueError(f"there is no group {group!r}; choose one of: {', '.join(groups)}")
    return {name: _options_of(CONF / name) for name in ([group] if group else groups)}


def _options_of(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(str(path) for path in paths if not path.name.startswith("_"))
