"""Weights of a backbone from a local file, with every key accounted for."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from calrun.model.adapt.adapter import first_line
from calrun.model.base import Classifier

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the weights among other things
HOST = torch.empty(0).device.type
COUNTER = "num_batches_tracked"  # BatchNorm's counter of batches, which old files lack and nothing here reads


def load_backbone(net: Classifier, path: str | Path, prefix: str = "", leave_out: Sequence[str] = ()) -> None:
    """Fills the backbone of `net` from a file; the head stays as it is.

    Args:
        net: the file must hold exactly the names and shapes of its backbone.
        path: a file of `torch.save` or safetensors: the weights by name, alone or under `state_dict` or `model`.
        prefix: keeps the file's keys that start with it and takes it off (`module.encoder_q.`).
        leave_out: beginnings of keys (without the prefix) to leave out, such as the checkpoint's own head (`fc.`).

    Raises:
        ValueError: if the file is missing, unreadable or does not fit; then the network is unchanged.
    """
    stored = _read(Path(path))
    chosen = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    weights = {key: value for key, value in chosen.items() if not key.startswith(tuple(leave_out))}
    wanted = net.backbone.state_dict()
    faults = _faults(wanted, weights)
    if faults:
        lacks = any(key not in weights for key in wanted if not key.endswith(COUNTER))
        hint = _hint(wanted, stored, prefix) if lacks else ""
        raise ValueError(f"checkpoint {path} does not fit the backbone: {'; '.join(faults)}{hint}")
    net.backbone.load_state_dict(weights, strict=False)  # strict but for the counters: checked above


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"checkpoint {path} is no file; give the path of weights written by torch.save or safetensors")
    stored = _stored(path)
    for wrapper in WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(wrapper), Mapping):
            stored = stored[wrapper]
    if not isinstance(stored, Mapping) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ValueError(
            f"checkpoint {path} wants to be a dictionary of tensors by name, alone or under one of {list(WRAPPERS)}, "
            f"but holds {_contents(stored)}; save the state_dict alone with torch.save"
        )
    if not stored:
        raise ValueError(f"checkpoint {path} holds no weights; save the state_dict of a network")
    return stored


def _stored(path: Path) -> object:
    """Returns what a file of `torch.save` or safetensors holds, whatever its suffix says."""
    try:
        if is_safetensors(path):
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # about old formats, which are read or refused below
            return torch.load(path, map_location=HOST, weights_only=True)
    except Exception as error:  # readers answer damaged bytes with errors of many kinds
        if re.search(r"Unsupported (global|class)|GLOBAL |TorchScript", str(error)):  # a pickle of more than tensors
            raise ValueError(
                f"checkpoint {path} holds Python objects, such as a whole network, which loading would run; where "
                "they came from, save net.state_dict() alone with torch.save"
            ) from error
        raise ValueError(
            f"checkpoint {path} cannot be read as plain weights ({type(error).__name__}: {first_sentence(error)}); "
            "save the state_dict alone with torch.save"
        ) from error


def is_safetensors(path: Path) -> bool:
    """Tells whether a file begins like safetensors: 8 bytes of length, then a header in JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or start[8:] == b"{"


def first_sentence(error: Exception) -> str:
    """Returns the first sentence of an error, without terminal colours; what torch adds to it is unsafe advice."""
    text = re.sub(r"\x1b\[[0-9;]*m|[\x00-\x1f\x7f]", " ", first_line(error))
    return " ".join(text.split()).split(". ")[0]


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
    broken = [key for key in wanted if key in weights and not weights[key].isfinite().all()]
    kinds = {"missing": missing, "unexpected": unexpected, "of another size": differing, "not finite": broken}
    return [f"{len(keys)} keys {kind} (first: {', '.join(keys[:5])})" for kind, keys in kinds.items() if keys]


def _hint(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], prefix: str) -> str:
    """Returns advice on the prefix that may be meant, or an empty text."""
    first = next(iter(wanted))
    others = [key.removesuffix(first) for key in stored if key.endswith(first) and key != prefix + first]
    if not others:
        return ""
    fitting = [each for each in others if all(each + key in stored for key in wanted if not key.endswith(COUNTER))]
    if len(fitting) == 1:
        return f"; set its prefix (checkpoint_prefix or prefix) to {fitting[0]!r}"
    return f"; choose its prefix (checkpoint_prefix or prefix) among {others[:5]}"
