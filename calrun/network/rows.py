"""Rows without labels for a trained network, read as the run's data set option reads its own.

The option's module says how, in a function beside `load`:

    def rows(place, inputs, splits, ...) -> Source

Of `inputs` (what the network takes) and `splits` (names of splits in order of preference, "" for rows that stand in
none) it takes what it needs; its other arguments are those of the option's YAML that it names.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from calrun.check.loaded import loaded
from calrun.dataset.base import Source
from calrun.network.run_files import RunFiles
from calrun.text.legal import is_a

READER = "rows"


def rows_at(run: RunFiles, place: str | Path, splits: Sequence[str]) -> Source:
    """Returns the rows at a place.

    Raises:
        ValueError: if the data set option reads none but its own, or cannot read these.
    """
    node, choice = dataset_node(run), run.config["choices"].get("dataset")
    loaded(str(node["_target_"]))  # or say why not
    module = str(node["_target_"]).rpartition(".")[0]
    read = getattr(import_module(module), READER, None)
    if read is None:
        raise ValueError(
            f"dataset={choice} reads no rows but its own; give {module} a function {READER}(place, ...) that returns a "
            "calrun.dataset.base.Source"
        )
    taken = signature(read).parameters
    offered = {"inputs": run.inputs, "splits": splits}
    if "splits" not in taken and len(splits) == 1:
        raise ValueError(
            f"dataset={choice} reads all rows of a place, but split {splits[0]!r} is asked for; leave it out"
        )
    given = {name: value for name, value in offered.items() if name in taken}
    own = {name: value for name, value in node.items() if name in taken and name not in ("place", *given)}
    made = instantiate({"_target_": f"{module}.{READER}", **own}, _partial_=True, _convert_="all")
    source = is_a(f"what {module}.{READER} returns", made(str(place), **given), Source)
    if not len(source):
        raise ValueError(f"{place} holds no rows; give it some")
    return source


def dataset_node(run: RunFiles) -> dict[str, Any]:
    """Returns the data set's node of a run, with what was measured on its training rows in place of what was open."""
    node = filled(run.config["dataset"], run.inputs.measured)
    if node.get("check") is False:  # what YAML makes of a bare off
        node["check"] = "off"
    return node


def filled(node: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a node in which what is null and was measured has its value."""
    result = dict(node)
    for key, value in measured.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = filled(result[key], value)
        elif key in result and result[key] is None:
            result[key] = value
    return result
