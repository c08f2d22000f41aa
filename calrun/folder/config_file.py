"""config.yaml of a run folder: the one place that parses it, so that no file, whatever it holds, ends the process."""

from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_BYTES = 64 * 2**20  # size of the largest file that is read; a million class names take 20 MiB
DEEPEST = 100  # most levels of nesting; libyaml's loader calls itself for each, and a few thousand overflow the stack


def config_text(path: Path) -> str:
    """Returns the text of a config.yaml.

    Raises:
        ValueError: if it is not text, or larger than any that calrun writes.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"it is too large to be a configuration: {size:,} bytes, above {MOST_BYTES:,}")
    return path.read_text(encoding="utf-8")


def parsed(text: str) -> Any:
    """Returns what a text in YAML says.

    Raises:
        YAMLError: if it is not YAML.
        ValueError: if it is nested deeper than any configuration.
    """
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):  # one event after the other: nothing calls itself here
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it is nested too deeply to be a configuration: more than {DEEPEST} levels")
    return yaml.load(text, Loader=LOADER)
