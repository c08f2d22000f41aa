"""Any encoder of pictures of `transformers` (ViT, DINOv2, ConvNeXt, ...), by its name or from a local folder.

Features are the hidden state of the class token where the encoder has one (ViT and DINOv2, as linear probes of both
use it), and otherwise the encoder's own pooled output (ConvNeXt, ResNet, Swin).

Dimension key: B batch, T tokens, D features.
"""

from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from calrun.model.adapt.adapter import count_features
from calrun.model.adapt.picture import as_picture
from calrun.model.base import Classifier
from calrun.model.transformer import loaded
from calrun.text.legal import one_of

FEATURES = ("auto", "cls", "pooled")


def hf_vision(
    num_classes: int, input_shape: tuple[int, ...], path: str, pretrained: bool, features: str = "auto"
) -> Classifier:
    """Returns the encoder and a new head on its features.

    Args:
        num_classes: C.
        input_shape: (channels, height, width); grey pictures are shown to an encoder of colours as grey ones, and
            positions are interpolated where another size than the encoder's can be read at all.
        path: a folder, which is read without a network, or a name at huggingface.co.
        pretrained: whether the weights that lie there are taken; otherwise those are random, of the same shape.
        features: `cls`, `pooled`, or `auto` for `cls` where there is a class token.

    Raises:
        ValueError: if there is no such encoder, or it cannot take the data set's pictures.
    """
    one_of("model.features", features, FEATURES)
    label = f"model=hf_vision path={path}"
    channels, height, width = as_picture(label, input_shape)
    encoder = loaded(path, pretrained)
    refuse_texts(label, encoder)
    refuse_channels(label, encoder.config, channels)
    has_token = hasattr(getattr(encoder, "embeddings", None), "cls_token")
    if features == "cls" and not has_token:
        raise ValueError(f"{label} has no class token, which model.features=cls wants; leave model.features out")
    takes_token = has_token if features == "auto" else features == "cls"
    if takes_token and getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # nothing would read it, and folders often lack its weights
    backbone = Encoder(encoder, takes_token, (height, width))
    return Classifier(backbone, count_features(label, backbone, input_shape), num_classes)


class Encoder(nn.Module):
    """Maps pictures (B, channels, H, W) to features (B, D).

    Args:
        encoder: of `transformers`.
        takes_token: whether features are the class token's hidden state and not the pooled output.
        size: height and width of the pictures.
    """

    def __init__(self, encoder: Any, takes_token: bool, size: tuple[int, int]) -> None:
        super().__init__()
        self.encoder, self.takes_token = encoder, takes_token
        self.channels = getattr(encoder.config, "num_channels", None)
        can_interpolate = "interpolate_pos_encoding" in signature(encoder.forward).parameters
        own = getattr(encoder.config, "image_size", None)
        differs = own not in (None, size, [*size]) and not (isinstance(own, int) and size == (own, own))
        self.more = {"interpolate_pos_encoding": True} if can_interpolate and differs else {}

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1 and self.channels is not None:
            x = x.expand(-1, self.channels, -1, -1)
        seen = self.encoder(pixel_values=x, **self.more)
        features: Tensor = seen.last_hidden_state[:, 0] if self.takes_token else seen.pooler_output
        return torch.flatten(features, start_dim=1)


def refuse_texts(label: str, encoder: Any) -> None:
    """Raises a ValueError if an encoder does not read pictures."""
    if getattr(encoder, "main_input_name", None) != "pixel_values":
        raise ValueError(
            f"{label} is an encoder of {encoder.config.model_type}, which reads no pictures; choose model=transformer "
            "for texts, or another encoder"
        )


def refuse_channels(label: str, config: Any, channels: int) -> None:
    """Raises a ValueError if an encoder takes another number of channels."""
    wanted = getattr(config, "num_channels", None)
    if wanted is not None and channels not in (1, wanted):
        raise ValueError(
            f"{label} wants pictures of {wanted} channels (or 1), but the data set gives {channels}; choose another "
            "encoder"
        )
