"""Weights of a backbone from a local file, with every key accounted for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from calrun.model.adapter import first_line
from calrun.model.base import Classifier

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the weights among other things
COUNTER = "num_batches_tracked"  # of BatchNorm; files from before it existed lack it, and nothing here reads it


def load_backbone(net: Classifier, path: str | Path, prefix: str = "", leave_out: Sequence[str] = ()) -> None:
    """Fills the backbone of `net` from a file; the head stays as it is.

    Args:
        net: its backbone's names and shapes are what the file must hold, no more and no less.
        path: a file of `torch.save`: the weights by name, alone or under `state_dict` or `model`.
        prefix: keeps the file's keys that start with it and takes it off (`module.encoder_q.`).
        leave_out: beginnings of keys (without the prefix) to pass over, such as the checkpoint's own head (`fc.`).

    Raises:
        ValueError: if the file is missing, unreadable or does not fit; the network is unchanged then.
    """
    stored = _read(Path(path))
    chosen = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    weights = {key: value for key, value in chosen.items() if not key.startswith(tuple(leave_out))}
    wanted = net.backbone.state_dict()
    faults = _faults(wanted, weights)
    if faults:
        raise ValueError(
            f"checkpoint {path} does not fit the backbone: {'; '.join(faults)}{_hint(wanted, stored, prefix)}"
        )
    net.backbone.load_state_dict(weights, strict=False)  # strict but for the counters: checked above


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"checkpoint {path} is no file; give the path of weights written by torch.save")
    try:
        stored = torch.load(path, map_location=lambda storage, _: storage, weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(
            f"checkpoint {path} cannot be read as plain weights ({first_line(error)}); "
            "save the state_dict alone with torch.save"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(wrapper), Mapping):
            stored = stored[wrapper]
    if not isinstance(stored, Mapping) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ValueError(
            f"checkpoint {path} wants to be a dictionary of tensors by name, alone or under one of {list(WRAPPERS)}, "
            f"but holds {_contents(stored)}; save the state_dict alone with torch.save"
        )
    return stored


def _contents(stored: object) -> str:
    return f"the keys {sorted(map(str, stored))[:5]}" if isinstance(stored, Mapping) else f"a {type(stored).__name__}"


def _faults(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    missing = [key for key in wanted if key not in weights and not key.endswith(COUNTER)]
    unexpected = [key for key in weights if key not in wanted]
    differing = [
        f"{key} is {tuple(weights[key].shape)}, wanted {tuple(wanted[key].shape)}"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another size": differing}
    return [f"{len(keys)} keys {kind} (first: {', '.join(keys[:5])})" for kind, keys in kinds.items() if keys]


def _hint(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], prefix: str) -> str:
    first = next(iter(wanted))
    others = [key.removesuffix(first) for key in stored if key.endswith(first) and key != prefix + first]
    return f"; prefixes that the file has: {others[:5]}" if others else ""
