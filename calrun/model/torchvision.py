"""Any torchvision classifier that ends in a linear layer, by its torchvision name."""

from copy import deepcopy
from typing import Any

import torch
import torchvision
from torch import nn

from calrun.model.adapt.adapter import building, check_name, check_one_source, count_features
from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.base import Classifier

ONE_OUTPUT = {"aux_logits": False, "init_weights": False}  # no auxiliary heads; PyTorch's initialisation
AUXILIARY = {"googlenet": ONE_OUTPUT, "inception_v3": ONE_OUTPUT}


def torchvision_classifier(
    num_classes: int,
    input_shape: tuple[int, ...],
    model_name: str,
    pretrained: bool,
    checkpoint: str | None,
    checkpoint_prefix: str | None,
    **options: Any,
) -> Classifier:
    """Returns the network without its last linear layer, and a new head on it.

    Args:
        num_classes: C.
        input_shape: (channels, height, width); with other than 3 channels the first convolution is replaced.
        model_name: torchvision's name, such as resnet50.
        pretrained: whether torchvision's default weights are taken, downloaded if need be.
        checkpoint: a local file of weights with torchvision's names; its head is left out.
        checkpoint_prefix: what comes before those names in the file; `None` finds it.
        options: further arguments of torchvision's own function, such as image_size.

    Raises:
        ValueError: if the network is unknown, cannot be built or refuses the inputs, or the weights do not fit.
    """
    check_name("torchvision", model_name, torchvision.models.list_models(module=torchvision.models))
    check_one_source("torchvision", pretrained, checkpoint)
    weights = "DEFAULT" if pretrained else None
    label = f"model=torchvision model_name={model_name}"
    with building(label, options):
        backbone = torchvision.models.get_model(model_name, weights=weights, **AUXILIARY.get(model_name, {}) | options)
    head_name = _remove_head(backbone, model_name)
    fit_channels(label, backbone, input_shape[0], pretrained)
    net = Classifier(backbone, count_features(label, backbone, input_shape), num_classes)
    if checkpoint is not None:
        load_backbone(net, checkpoint, checkpoint_prefix, leave_out=[f"{head_name}."])
    return net


def _remove_head(backbone: nn.Module, model_name: str) -> str:
    """Puts an Identity in the place of the last module, which must be linear, and returns its name."""
    leaves: list[tuple[str, nn.Module]] = [
        (name, module) for name, module in backbone.named_modules() if not list(module.children())
    ]
    name, last = leaves[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(
            f"model=torchvision wants a network that ends in a linear layer, but {model_name} ends in "
            f"{type(last).__name__} ({name}); choose resnet18, say"
        )
    backbone.set_submodule(name, nn.Identity())
    return name


def fit_channels(label: str, backbone: nn.Module, channels: int, pretrained: bool) -> None:
    """Replaces the first convolution if it takes another number of channels.

    For grey pictures the new one holds the sum of the pretrained colours' weights, as if all channels were alike.
    """
    name, first = next((name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d))
    if first.in_channels == channels:
        return
    if pretrained and channels != 1:
        raise ValueError(
            f"{label} pretrained=true wants pictures of 3 channels or 1, but the data set has {channels}; "
            "set model.pretrained=false"
        )
    fitted = deepcopy(first)
    fitted.in_channels = channels
    fitted.weight = nn.Parameter(first.weight.new_empty(first.out_channels, channels, *first.kernel_size))
    if pretrained:
        with torch.no_grad():
            fitted.weight.copy_(first.weight.sum(dim=1, keepdim=True))
    else:
        fitted.reset_parameters()
    backbone.set_submodule(name, fitted)
