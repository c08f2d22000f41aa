"""Any timm classifier, by its timm name."""

from typing import Any

import timm

from calrun.model.adapt.adapter import building, check_name, check_one_source, count_features
from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.adapt.hub import refuse_uncached, unreachable
from calrun.model.base import Classifier

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def timm_classifier(
    num_classes: int,
    input_shape: tuple[int, ...],
    model_name: str,
    pretrained: bool,
    checkpoint: str | None,
    checkpoint_prefix: str | None,
    **options: Any,
) -> Classifier:
    """Returns timm's network up to its pooled features, and a new head on it.

    Args:
        num_classes: C.
        input_shape: (channels, height, width); timm fits the first layer to the channels.
        model_name: timm's name, such as resnet18 or vit_tiny_patch16_224, with or without its tag.
        pretrained: whether timm's default weights are taken, downloaded if need be.
        checkpoint: a local file of weights with timm's names; its head is left out.
        checkpoint_prefix: what comes before those names in the file; `None` finds it.
        options: further arguments of timm.create_model, such as img_size.

    Raises:
        ValueError: if the network is unknown, cannot be built or refuses the inputs, or the weights do not fit.
    """
    check_name("timm", model_name.split(".")[0], timm.list_models())
    check_one_source("timm", pretrained, checkpoint)
    label = f"model=timm model_name={model_name}"
    with building(label, options):
        refuse_download(model_name) if pretrained else None
        backbone: Any = timm.create_model(
            model_name, pretrained=pretrained, num_classes=0, in_chans=input_shape[0], **options
        )
    net = Classifier(backbone, count_features(label, backbone, input_shape), num_classes)
    if checkpoint is not None:
        load_backbone(net, checkpoint, checkpoint_prefix, leave_out=_heads(backbone.pretrained_cfg.get("classifier")))
    return net


def refuse_download(model_name: str) -> None:
    """Raises a ValueError if weights lie at huggingface.co, which cannot be reached, and were never downloaded."""
    lies_at = getattr(timm.get_pretrained_cfg(model_name), "hf_hub_id", None)
    if lies_at and (reason := unreachable()):
        refuse_uncached(str(lies_at), WEIGHTS, reason)


def _heads(classifier: str | tuple[str, ...] | None) -> list[str]:
    """Returns the beginnings of the head's keys; distilled transformers have two heads."""
    names = (classifier,) if isinstance(classifier, str) else classifier or ()
    return [f"{name}." for name in names]
