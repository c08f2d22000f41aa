"""Names and shapes of weights as the authors' code makes them (fyu/drn: drn.py, segment.py), written out here."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from calrun.model.adapt.pixels import PixelClassifier
from calrun.model.drn_d_22 import drn_d_22

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def build(
    shape: tuple[int, ...] = (3, 32, 32), checkpoint: Path | None = None, prefix: str | None = ""
) -> PixelClassifier:
    return drn_d_22(19, shape, 0.0, None if checkpoint is None else str(checkpoint), prefix)


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{each}": () if each == NORM[-1] else (channels,) for each in NORM}


def released() -> dict[str, tuple[int, ...]]:
    """The shapes of drn_d_22-4bd2f8ea.pth by name, without the classifier's own head."""
    found: dict[str, tuple[int, ...]] = {}
    plain = {"layer0": (3, 16, 7), "layer1": (16, 16, 3), "layer2": (16, 32, 3), "layer7": (512, 512, 3)}
    for layer, (inputs, outputs, kernel) in {**plain, "layer8": (512, 512, 3)}.items():
        found |= {f"{layer}.0.weight": (outputs, inputs, kernel, kernel), **norm(f"{layer}.1", outputs)}
    for layer, (inputs, outputs) in {"layer3": (32, 64), "layer4": (64, 128), "layer5": (128, 256),
                                     "layer6": (256, 512)}.items():  # fmt: skip
        for block, before in ((0, inputs), (1, outputs)):
            name = f"{layer}.{block}"
            found |= {f"{name}.conv1.weight": (outputs, before, 3, 3), **norm(f"{name}.bn1", outputs)}
            found |= {f"{name}.conv2.weight": (outputs, outputs, 3, 3), **norm(f"{name}.bn2", outputs)}
        found |= {f"{layer}.0.downsample.0.weight": (outputs, inputs, 1, 1), **norm(f"{layer}.0.downsample.1", outputs)}
    return found


def weights() -> dict[str, Tensor]:
    """Random weights with these names; variances are positive."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) * 0.01 + 0.01 for name, shape in released().items()}


def test_names_and_shapes_are_those_of_the_released_weights() -> None:
    found = {name: tuple(value.shape) for name, value in build().backbone.state_dict().items()}
    assert found == released()


def test_it_has_the_papers_number_of_parameters() -> None:
    """16.4 million with the classifier's head of 1,000 classes."""
    backbone = sum(parameter.numel() for parameter in build().backbone.parameters())
    assert backbone + 1000 * 513 == pytest.approx(16.4e6, rel=0.005)


def test_an_eighth_of_the_size_and_512_features() -> None:
    net = build((3, 40, 44)).eval()
    with torch.no_grad():
        assert net.backbone(torch.zeros(1, 3, 40, 44)).shape == (1, 512, 5, 6)
        assert net(torch.zeros(1, 3, 40, 44)).logits_BC.shape == (1, 19, 40, 44)


@pytest.mark.parametrize("kind", ["classifier", "segmentation", "of several processes"])
def test_released_weights_of_either_kind_fill_the_backbone(kind: str, tmp_path: Path) -> None:
    stored = weights()
    if kind == "segmentation":
        heads = {
            "seg.weight": torch.zeros(19, 512, 1, 1),
            "seg.bias": torch.zeros(19),
            "up.weight": torch.zeros(19, 1, 16, 16),
        }
        file = {f"base.{name.removeprefix('layer')}": value for name, value in stored.items()} | heads
    else:
        file = stored | {"fc.weight": torch.zeros(1000, 512, 1, 1), "fc.bias": torch.zeros(1000)}
    prefix = "module." if kind == "of several processes" else ""
    torch.save({prefix + name: value for name, value in file.items()}, tmp_path / "drn.pth")
    for given in (prefix, None):
        state = build(checkpoint=tmp_path / "drn.pth", prefix=given).backbone.state_dict()
        assert all(torch.equal(state[name].float(), stored[name].to(state[name].dtype).float()) for name in stored)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({name: value for name, value in weights().items() if "layer6" not in name}, tmp_path / "drn.pth")
    with pytest.raises(ValueError, match=r"keys missing \(first: layer6\.0\.conv1\.weight"):
        build(checkpoint=tmp_path / "drn.pth")


def test_dilation_and_stride_are_those_of_figure_5() -> None:
    backbone = build().backbone
    found = {
        layer: (backbone.get_submodule(layer).stride[0], backbone.get_submodule(layer).dilation[0])  # type: ignore[index,union-attr]
        for layer in (
            "layer0.0", "layer1.0", "layer2.0", "layer3.0.conv1", "layer4.0.conv1", "layer4.1.conv1", "layer5.0.conv1",
            "layer5.0.conv2", "layer6.0.conv1", "layer6.1.conv2", "layer7.0", "layer8.0",
        )
    }  # fmt: skip
    assert list(found.values()) == [
        (1, 1), (1, 1), (2, 1), (2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 4), (1, 4), (1, 2), (1, 1),
    ]  # fmt: skip
