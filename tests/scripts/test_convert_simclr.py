"""SimCLR v2's names and layouts become torchvision's (scripts/convert_simclr.py), on arrays made here."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torchvision

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.torchvision import torchvision_classifier


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    import convert_simclr

    return convert_simclr


class AsTheAuthorsBuildIt:
    """Makes variables in the order of google-research/simclr's resnet.py, re-typed: shortcut first, then the block."""

    def __init__(self, scope: str = "base_model/", width: int = 1) -> None:
        self.scope, self.made, self.arrays = scope, 0, dict[str, np.ndarray]()
        channels = self.conv_and_norm(3, 64 * width, 7)
        for filters, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
            for block in range(blocks):
                channels = self.block(channels, filters * width, projects=block == 0)

    def block(self, channels: int, filters: int, projects: bool) -> int:
        if projects:
            self.conv_and_norm(channels, 4 * filters, 1)
        self.conv_and_norm(channels, filters, 1)
        self.conv_and_norm(filters, filters, 3)
        return self.conv_and_norm(filters, 4 * filters, 1)

    def conv_and_norm(self, inputs: int, outputs: int, side: int) -> int:
        ending = f"_{self.made}" if self.made else ""
        kernel = np.zeros((side, side, inputs, outputs), np.float32)
        kernel[0, -1, 1, 2] = self.made  # the first row, last column, of input 1 and output 2
        self.arrays[f"{self.scope}conv2d{ending}/kernel"] = kernel
        self.arrays[f"{self.scope}conv2d{ending}/kernel/Momentum"] = kernel
        for number, name in enumerate(("gamma", "beta", "moving_mean", "moving_variance")):
            value = np.full(outputs, self.made + number / 10, np.float32)
            self.arrays[f"{self.scope}batch_normalization{ending}/{name}"] = value
        self.made += 1
        return outputs


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    head = {"head_contrastive/nl_0/batch_normalization/gamma": np.zeros(2), "global_step": np.zeros(())}
    return AsTheAuthorsBuildIt().arrays | head


def test_every_name_of_resnet50_gets_its_array(script: ModuleType, arrays: dict[str, np.ndarray]) -> None:
    weights = script.converted(arrays)
    with torch.device("meta"):
        wanted = torchvision.models.resnet50().state_dict()
    named = {name for name in wanted if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
    assert weights.keys() == named


def test_layers_are_matched_in_the_order_of_creation(script: ModuleType, arrays: dict[str, np.ndarray]) -> None:
    weights = script.converted(arrays)
    numbers = {"conv1": 0, "layer1.0.downsample.0": 1, "layer1.0.conv1": 2, "layer1.0.conv3": 4, "layer1.1.conv1": 5}
    numbers |= {"layer2.0.downsample.0": 11, "layer4.0.downsample.0": 43, "layer4.2.conv3": 52}
    for name, number in numbers.items():
        kernel = weights[f"{name}.weight"]
        assert kernel[2, 1, 0, -1] == number
        assert kernel.sum() == number
    assert weights["layer2.0.downsample.1.running_var"][0] == pytest.approx(11.3)
    assert weights["layer2.0.bn1.weight"][0] == pytest.approx(12.0)
    assert weights["bn1.bias"][0] == pytest.approx(0.1)
    assert weights["layer4.2.bn3.running_mean"][0] == pytest.approx(52.2)


def test_the_file_begins_a_method_of_torchvisions_resnet50(
    script: ModuleType, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    torch.save(script.converted(arrays), tmp_path / "simclr.pt")
    net = torchvision_classifier(3, (3, 32, 32), "resnet50", False, None, None)
    load_backbone(net, tmp_path / "simclr.pt")
    assert net.backbone.state_dict()["layer4.2.bn3.running_mean"][0] == pytest.approx(52.2)


def test_the_moving_average_has_a_scope_of_its_own(script: ModuleType) -> None:
    arrays = AsTheAuthorsBuildIt("ema_model/base_model/").arrays
    assert len(script.converted(arrays, "ema_model/base_model/")) == 53 * 5
    with pytest.raises(ValueError, match=r"holds 0 layers conv2d under base_model/, but a ResNet-50"):
        script.converted(arrays)


def test_other_networks_are_refused(script: ModuleType, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"base_model/conv2d/kernel has the shape \(7, 7, 3, 128\).*take the 1x"):
        script.converted(AsTheAuthorsBuildIt(width=2).arrays)
    more = arrays | {"base_model/conv2d_53/kernel": np.zeros((1, 1, 4, 4))}
    with pytest.raises(ValueError, match="holds 54 layers conv2d under base_model/, but a ResNet-50 without selective"):
        script.converted(more)
    fewer = {name: value for name, value in arrays.items() if name != "base_model/batch_normalization_7/beta"}
    with pytest.raises(ValueError, match=r"lacks 1 arrays \(first: \['base_model/batch_normalization_7/beta'\]\)"):
        script.converted(fewer)


def test_without_tensorflow_one_sentence_says_so(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr("sys.argv", ["convert_simclr.py", "model.ckpt-1", str(tmp_path / "out.pt")])
    assert script.main() == 2
    said = capsys.readouterr().err
    assert said.startswith("convert_simclr: reading a TensorFlow checkpoint wants tensorflow, which is not installed")
    assert said.count("\n") == 1
    assert not (tmp_path / "out.pt").exists()
