"""What the adapters of network libraries share: naming the choice, and trying the network on one input."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from calrun.model.adapt.picture import as_picture


def check_name(option: str, model_name: str, known: Sequence[str]) -> None:
    """Raises a ValueError that suggests the closest names if `model_name` is not known."""
    if model_name not in known:
        close = get_close_matches(model_name, known, n=5) or sorted(known)[:5]
        raise ValueError(
            f"model={option} knows {len(known)} networks but not model_name={model_name!r}; "
            f"the closest are {', '.join(close)}"
        )


def check_one_source(option: str, pretrained: bool, checkpoint: str | None) -> None:
    """Raises a ValueError if the weights are to come from two places."""
    if pretrained and checkpoint is not None:
        raise ValueError(
            f"model={option} has pretrained=true and checkpoint={checkpoint}, and the weights can come from one of "
            "them only; leave one out"
        )


@contextmanager
def building(label: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Turns the library's own complaints, and those of a download, into one ValueError."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        raise ValueError(
            f"{label} cannot be built ({first_line(error)}); check its further arguments {sorted(options)}, and with "
            "model.pretrained=true the network connection"
        ) from error


def count_features(option: str, backbone: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Returns D, found by passing one blank input through the backbone, which stays as it was.

    Raises:
        ValueError: if the backbone refuses the shape or its features are not flat.
    """
    as_picture(option, input_shape)
    backbone.eval()
    try:
        with torch.no_grad():
            features: object = backbone(torch.zeros(1, *input_shape))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f"{option} refuses inputs of shape {tuple(input_shape)} ({first_line(error)}); choose another network "
            "or, where it has one, give its argument for the size, +model.img_size or +model.image_size"
        ) from error
    finally:
        backbone.train()
    if not isinstance(features, Tensor) or features.dim() != 2:
        shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(
            f"{option} wants flat features (1, D) of a blank input, but got {shape}; choose another network"
        )
    return features.shape[1]


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, or its kind if it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
