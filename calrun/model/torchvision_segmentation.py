"""Any of torchvision's segmentation networks, by its torchvision name: FCN, DeepLabV3 and LR-ASPP.

Dimension key: B batch, C classes, D features, H W height and width of the picture, h w those of the feature map.
"""

from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from calrun.model.adapt.adapter import building, check_name, check_one_source, first_line
from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.adapt.mode import in_mode
from calrun.model.adapt.picture import as_picture
from calrun.model.adapt.pixels import PixelClassifier, interpolated
from calrun.model.torchvision import fit_channels

OPTION = "torchvision_segmentation"
BARE = {"weights": None, "weights_backbone": None}  # or torchvision would download those of the backbone
AUXILIARY = "aux_classifier."  # a second head of FCN and DeepLabV3, for training from nothing
OTHER_HEADS = ("classifier.low_classifier.", "classifier.high_classifier.")


def torchvision_segmentation(
    num_classes: int,
    input_shape: tuple[int, ...],
    model_name: str,
    pretrained: bool,
    checkpoint: str | None,
    checkpoint_prefix: str | None,
    **options: Any,
) -> PixelClassifier:
    """Returns the network without its last 1 x 1 convolution and auxiliary head, and a new head at each position.

    Args:
        num_classes: C.
        input_shape: (channels, height, width); with other than 3 channels the first convolution is replaced.
        model_name: torchvision's name, such as deeplabv3_resnet50.
        pretrained: whether torchvision's default weights are taken, downloaded if need be.
        checkpoint: a local file of weights with torchvision's names; its heads are left out.
        checkpoint_prefix: what comes before those names in the file; `None` finds it.
        options: further arguments of torchvision's own function.

    Raises:
        ValueError: if the network is unknown, cannot be built or refuses the inputs, or the weights do not fit.
    """
    segmentation = torchvision.models.segmentation
    check_name(OPTION, model_name, torchvision.models.list_models(module=segmentation))
    check_one_source(OPTION, pretrained, checkpoint)
    label = f"model={OPTION} model_name={model_name}"
    as_picture(label, input_shape)
    with building(label, options):
        whole = torchvision.models.get_model(model_name, **({"weights": "DEFAULT"} if pretrained else BARE), **options)
    maps: nn.Module = SumOfTwo(whole) if hasattr(whole.classifier, "low_classifier") else OneHead(whole)
    fit_channels(label, maps, input_shape[0], pretrained)
    net = PixelClassifier(maps, num_features(label, maps, input_shape), num_classes, 0.0, interpolated)
    if checkpoint is not None:
        last = f"classifier.{len(whole.classifier) - 1}." if isinstance(maps, OneHead) else OTHER_HEADS[0]
        load_backbone(net, checkpoint, checkpoint_prefix, leave_out=[AUXILIARY, last, *OTHER_HEADS])
    return net


class OneHead(nn.Module):
    """FCN and DeepLabV3 up to what their last convolution is given."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.backbone, self.classifier = whole.backbone, whole.classifier
        self.classifier[-1] = nn.Identity()  # type: ignore[operator,assignment]

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.classifier(self.backbone(x)["out"])  # type: ignore[operator]
        return maps


class SumOfTwo(nn.Module):
    """LR-ASPP, whose logits are the sum of two linear heads: one head on both of their maps, laid side by side."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.backbone, self.classifier = whole.backbone, whole.classifier
        self.classifier.low_classifier = self.classifier.high_classifier = nn.Identity()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        seen, classifier = self.backbone(x), self.classifier  # type: ignore[operator]
        high = classifier.cbr(seen["high"]) * classifier.scale(seen["high"])  # type: ignore[operator,union-attr]
        wide = F.interpolate(high, seen["low"].shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([seen["low"], wide], dim=1)


def num_features(label: str, maps: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Returns D, found by passing one blank picture through, which changes nothing.

    Raises:
        ValueError: if the network refuses pictures of this shape.
    """
    with in_mode(maps, training=False), torch.no_grad():
        try:
            found: Tensor = maps(torch.zeros(1, *input_shape))
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"{label} refuses inputs of shape {tuple(input_shape)} ({first_line(error)}); give it larger pictures"
            ) from error
    return found.shape[1]
