"""Checks of stored inputs before a run starts.

Dimension key: N rows.
"""

from typing import Any

import torch
from torch import Tensor

from calrun.dataset.base import Inputs

ROWS_PER_PASS = 4096
ANOTHER_SCALE = 50  # pictures of two splits whose largest values differ by this factor are not on one scale


def check_inputs(split: str, inputs: Tensor) -> Tensor:
    """Returns `inputs` if there are any and all are finite.

    Raises:
        ValueError: otherwise, with the first bad rows.
    """
    if not len(inputs):
        raise ValueError(f"split {split} has no rows; give it some")
    if not inputs[0].numel():
        raise ValueError(f"split {split} has inputs of shape {tuple(inputs.shape[1:])}, which hold no values")
    if not inputs.is_floating_point():
        return inputs
    bad = [~part.flatten(1).isfinite().all(1) for part in torch.split(inputs, ROWS_PER_PASS)]
    rows = torch.cat(bad).nonzero().flatten()
    if len(rows):
        raise ValueError(
            f"split {split} has NaN or infinite values in {len(rows)} of {len(inputs)} rows "
            f"(first: {rows[:5].tolist()}); replace them or drop these rows"
        )
    return inputs


def check_alike(split: str, inputs: Tensor, train: Tensor) -> None:
    """Refuses a split that is stored differently from train, because both get the same transform."""
    if inputs.shape[1:] != train.shape[1:]:
        raise ValueError(
            f"split {split} has inputs of shape {tuple(inputs.shape[1:])}, but train has {tuple(train.shape[1:])}; "
            "bring both to one shape"
        )
    if (inputs.dtype == torch.uint8) != (train.dtype == torch.uint8):
        raise ValueError(
            f"split {split} holds {kind(inputs)} and train {kind(train)}, but only bytes are scaled to 0..1; save both "
            "in one type"
        )
    if inputs.ndim == 4 and inputs.dtype != torch.uint8:
        most, most_train = inputs.abs().max().item(), train.abs().max().item()
        if max(most, most_train) > ANOTHER_SCALE * min(most, most_train):
            raise ValueError(
                f"split {split} holds pictures with values up to {most:g}, but train up to {most_train:g}; bring both "
                "to one scale"
            )


def scale_of(inputs: Tensor) -> dict[str, Any]:
    """Returns what `check_known` asks of the training rows: how they are stored, and of pictures the largest value."""
    if inputs.ndim == 4 and inputs.dtype != torch.uint8:
        return {"stored": kind(inputs), "largest": inputs.abs().max().item()}
    return {"stored": kind(inputs)}


def check_known(name: str, inputs: Tensor, known: Inputs, seen_shape: tuple[int, ...]) -> None:
    """Refuses rows that are stored in another way than those that a network was trained on, which are there no more.

    Args:
        name: of the rows.
        inputs: as they are stored.
        known: what the network takes.
        seen_shape: the shape of a row once it is transformed.

    Raises:
        ValueError: if they have another shape, type or scale.
    """
    if seen_shape != known.shape:
        raise ValueError(
            f"{name} has rows of shape {tuple(inputs.shape[1:])}, but the network was trained on rows of shape "
            f"{known.shape}; bring them to this shape"
        )
    stored, largest = known.measured.get("stored"), known.measured.get("largest")
    if stored is not None and stored != kind(inputs):
        raise ValueError(
            f"{name} holds {kind(inputs)}, but the network was trained on {stored}, and only bytes are scaled to 0..1; "
            "save the rows in the type of the training rows"
        )
    if largest is not None and (most := inputs.abs().max().item()) > ANOTHER_SCALE * largest:
        raise ValueError(
            f"{name} holds pictures with values up to {most:g}, but the network was trained on values up to "
            f"{largest:g}; bring them to that scale"
        )


def kind(inputs: Tensor) -> str:
    """Returns what the values are stored as, in words."""
    return "bytes" if inputs.dtype == torch.uint8 else "other numbers"
