"""Weights of a backbone from a local file, with every key accounted for."""

import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from calrun.model.adapt.layout import COUNTER, WRAPPERS, common_prefixes, fitting, flattened, under
from calrun.model.adapt.unreadable import COPY, changed_records, is_safetensors, unreadable
from calrun.model.base import Classifier

HOST = torch.empty(0).device.type
FIRST = 5  # keys that an error shows
OPTION = "its prefix (checkpoint_prefix or prefix)"


def load_backbone(net: Classifier, path: str | Path, prefix: str | None = None, leave_out: Sequence[str] = ()) -> None:
    """Fills the backbone of `net` from a file; the head stays as it is.

    Raises:
        ValueError: if the file is missing, unreadable or does not fit; then the network is unchanged.
    """
    weights = weights_for(net.backbone.state_dict(), path, prefix, leave_out)
    net.backbone.load_state_dict(weights, strict=False)  # strict but for the counters: checked before


def weights_for(
    wanted: Mapping[str, Tensor], path: str | Path, prefix: str | None = None, leave_out: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Returns a backbone's weights from a file.

    Args:
        wanted: the names and shapes that the file must hold.
        path: a file of `torch.save` or safetensors: the weights by name, alone or in dictionaries (calrun.model.adapt
            .layout says which).
        prefix: keeps the file's keys that start with it and takes it off (`module.encoder_q.`), and then every key
            counts. `None` finds the one that fits, and passes over heads.
        leave_out: beginnings of keys (without the prefix) to leave out, such as the checkpoint's own head (`fc.`).

    Raises:
        ValueError: if the file is missing, unreadable or does not fit.
    """
    stored = weights_in(Path(path))
    if prefix is None:
        weights = _found(wanted, stored, path, leave_out)
        faults, hint = _faults(wanted, weights), ""
    else:
        chosen = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
        weights = {key: value for key, value in chosen.items() if not key.startswith(tuple(leave_out))}
        faults = _faults(wanted, weights)
        lacks = any(key not in weights for key in wanted if not key.endswith(COUNTER))
        hint = _hint(wanted, stored, prefix, leave_out) if lacks else ""
    if faults:
        raise ValueError(f"checkpoint {path} does not fit the backbone: {'; '.join(faults)}{hint}")
    return weights


def _found(
    wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], path: str | Path, leave_out: Sequence[str]
) -> dict[str, Tensor]:
    """Returns the weights under the one prefix that fits, or under the one with most of the backbone's names."""
    prefixes = common_prefixes(wanted, stored)
    if not prefixes:
        raise ValueError(
            f"checkpoint {path} has no key in common with the backbone: it holds {_shown(stored)}, but the backbone "
            f"wants {_shown(wanted)}; choose the model that it was made with"
        )
    fit = fitting(prefixes, wanted, stored, leave_out)
    if len(fit) > 1:
        raise ValueError(
            f"checkpoint {path} holds {len(fit)} networks that fit the backbone; choose {OPTION} among {fit[:FIRST]}"
        )
    return under(stored, (fit or prefixes)[0], leave_out, wanted)


def _shown(keys: Mapping[str, Tensor]) -> str:
    more = f" and {len(keys) - FIRST} more" if len(keys) > FIRST else ""
    return f"{', '.join([*keys][:FIRST])}{more}"


def weights_in(path: Path) -> Mapping[str, Tensor]:
    """Returns the tensors of a file by name.

    Raises:
        ValueError: if it is missing, unreadable or holds none.
    """
    if not path.is_file():
        raise ValueError(f"checkpoint {path} is no file; give the path of weights written by torch.save or safetensors")
    stored = _stored(path)
    for wrapper in WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(wrapper), Mapping):
            stored = stored[wrapper]
    if isinstance(stored, Mapping) and not stored:
        raise ValueError(f"checkpoint {path} holds no weights; save the state_dict of a network")
    weights = dict(flattened(stored)) if isinstance(stored, Mapping) else {}
    if not weights:
        raise ValueError(
            f"checkpoint {path} wants to be a dictionary of tensors by name, alone or under one of {list(WRAPPERS)}, "
            f"but holds {_contents(stored)}; save the state_dict alone with torch.save"
        )
    return weights


def _stored(path: Path) -> object:
    """Returns what a file of `torch.save` or safetensors holds, whatever its suffix says."""
    try:
        if is_safetensors(path):
            return load_file(path)
        ignored = warnings.catch_warnings(action="ignore")  # about old formats, which are read or refused below
        with ignored, torch.serialization.safe_globals([Namespace]):  # DINO keeps the words of its command
            stored: object = torch.load(path, map_location=HOST, weights_only=True)
    except Exception as error:  # readers answer damaged bytes with errors of many kinds
        raise ValueError(f"checkpoint {path} {unreadable(path, error)}") from error
    if changed := changed_records(path):  # torch reads them all the same
        raise ValueError(f"checkpoint {path} is damaged: {changed}; {COPY}")
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
    there = [key for key in wanted if key in weights and not key.endswith(COUNTER)]
    others = {key: kind for key in there if (kind := _other_kind(weights[key], wanted[key]))}
    odd = [f"{key} is {kind}" for key, kind in others.items()]
    broken = [key for key in there if key not in others and not weights[key].isfinite().all()]
    kinds = {"missing": missing, "unexpected": unexpected, "of another size": differing, "no plain numbers": odd}
    kinds["not finite"] = broken
    return [f"{len(keys)} keys {kind} (first: {', '.join(keys[:FIRST])})" for kind, keys in kinds.items() if keys]


def _other_kind(came: Tensor, wanted: Tensor) -> str:
    """Returns what a tensor is, in words, if it cannot be copied into weights without loss; otherwise nothing."""
    if came.is_meta:
        return "a shape without numbers (meta)"
    if came.is_quantized:
        return "quantized"
    if came.layout != torch.strided:
        return "sparse"
    return str(came.dtype) if came.is_floating_point() != wanted.is_floating_point() else ""


def _hint(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], prefix: str, leave_out: Sequence[str]) -> str:
    """Returns advice on the prefix that may be meant, or an empty text."""
    others = [other for other in common_prefixes(wanted, stored) if other != prefix]
    if not others:
        return ""
    fit = fitting(others, wanted, stored, leave_out)
    if len(fit) == 1:
        return f"; set {OPTION} to {fit[0]!r}, or leave it out"
    return f"; choose {OPTION} among {(fit or others)[:FIRST]}"
