from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from calrun.acquisition.learning_loss import GradientCut, LossHead, ranking_loss
from calrun.experiment import build
from calrun.model.base import Classifier, Output
from calrun.model.transformer import transformer
from calrun.model.vdcnn9 import vdcnn9
from calrun.network.rebuilt import Absent
from calrun.part.batch import Batch
from calrun.part.taps import TapHead, TapHeadOptions, pooled, stages
from calrun.task.classification import Classification

CUT = GradientCut(share=0.6, epochs=200, replay_epochs=50)


def test_four_rows_by_hand() -> None:
    predicted_B, losses_B = torch.tensor([2.0, 0.5, 0.4, 1.5]), torch.tensor([3.0, 1.0, 2.0, 1.0])
    # rows 0 and 3: the first is higher, by 0.5 instead of 1; rows 1 and 2: the second is higher, but 0.1 lower
    assert ranking_loss(predicted_B, losses_B, margin=1.0).item() == pytest.approx((0.5 + 1.1) / 2)


def test_equal_losses_count_as_lower() -> None:
    assert ranking_loss(torch.tensor([2.0, 0.0]), torch.ones(2), margin=1.0).item() == 3.0


def test_the_authors_code_typed_again() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted_B, losses_B = torch.randn(10, generator=generator), torch.rand(10, generator=generator)
    gap = (predicted_B - predicted_B.flip(0))[:5]
    target = (losses_B - losses_B.flip(0))[:5]
    one = 2 * torch.sign(torch.clamp(target, min=0)) - 1
    expected = torch.sum(torch.clamp(0.7 - one * gap, min=0)) / gap.size(0)
    torch.testing.assert_close(ranking_loss(predicted_B, losses_B, 0.7), expected)


def test_an_order_with_gaps_of_the_margin_costs_nothing() -> None:
    losses_B = torch.tensor([1.0, 5.0, 3.0, 2.0, 6.0, 4.0])
    assert ranking_loss(losses_B, losses_B, margin=1.0).item() == 0.0


def test_a_constant_and_the_middle_of_an_odd_batch_change_nothing() -> None:
    predicted_B, losses_B = torch.tensor([0.3, 1.0, 0.2]), torch.tensor([1.0, 9.0, 2.0])
    expected = ranking_loss(predicted_B, losses_B, 1.0)
    torch.testing.assert_close(ranking_loss(predicted_B + 7, losses_B, 1.0), expected)
    torch.testing.assert_close(ranking_loss(predicted_B[[0, 2]], losses_B[[0, 2]], 1.0), expected)


@pytest.mark.parametrize(
    ("epoch", "replays", "scale", "after"),
    [(120, False, 1.0, False), (121, False, 1.0, True), (30, True, 1.0, False), (31, True, 1.0, True),
     (12, False, 0.1, False), (13, False, 0.1, True)],
)  # fmt: skip
def test_the_cut_comes_after_120_of_200_epochs(epoch: int, replays: bool, scale: float, after: bool) -> None:
    assert CUT.is_after(epoch, replays, scale) == after


def test_a_share_of_1_never_cuts_and_one_of_0_always_does() -> None:
    assert not GradientCut(1.0, 10, 10).is_after(9, False, 1.0)
    assert GradientCut(0.0, 10, 10).is_after(0, False, 1.0)


def seen(net: Classifier, head: LossHead, num_rows: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(num_rows, 1, 8, 8, generator=generator)
    rows, y = torch.arange(num_rows), torch.randint(3, (num_rows,), generator=generator)
    return Batch(rows, x, y).with_output(net(x))


def small_net() -> tuple[Classifier, LossHead]:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5), nn.ReLU())
    net = Classifier(backbone, 5, 3)
    head = LossHead(1.0, 1.0, TapHeadOptions(), CUT)
    head.task, head.scale, head.head = Classification(), 1.0, TapHead({"1": 4, "4": 5}, 8, 1)
    net.tap(head.head.names)
    return net, head


@pytest.mark.parametrize(("epoch", "reaches"), [(120, True), (121, False)])
def test_its_gradient_reaches_the_network_until_the_cut_and_the_head_always(epoch: int, reaches: bool) -> None:
    net, head = small_net()
    head.begin_epoch(lambda *_: {}, 0, epoch)
    loss = head.loss(seen(net, head), None)
    assert loss is not None
    loss.backward()
    gradient = net.backbone[0].weight.grad
    assert (gradient is not None and bool(gradient.abs().sum() > 0)) == reaches
    assert net.head.weight.grad is None  # the true loss is a target
    assert head.head.out.weight.grad.abs().sum() > 0


def test_a_single_row_has_no_partner() -> None:
    net, head = small_net()
    assert head.loss(seen(net, head, num_rows=1), None) is None


def test_replayed_rows_are_paired_with_the_others() -> None:
    net, head = small_net()
    whole = seen(net, head)
    parts = [Batch(whole.rows[at], whole.x[at], whole.y[at], output)
             for at, output in zip((slice(2), slice(2, 6)), whole.seen.split(2), strict=True)]  # fmt: skip
    torch.testing.assert_close(head.loss(parts[0], parts[1]), head.loss(whole, None))


def test_taps_are_averaged_over_their_positions() -> None:
    picture = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(pooled(picture), picture.mean(dim=(2, 3)))
    torch.testing.assert_close(pooled(picture[:, 0]), picture[:, 0].mean(dim=1))
    torch.testing.assert_close(pooled(picture[:, 0], along=True), picture[:, 0].mean(dim=2))
    assert pooled(picture[:, :, 0, 0]).shape == (2, 3)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("model=cnn",), ["3", "7", "11"]),
        (("model=cnn", "model.dropout=0.5"), ["3", "7", "11"]),
        (("model=lenet",), ["1", "3", "8"]),
        (("model=mlp", "model.hidden=[8]"), ["2"]),
        (("model=mlp", "model.hidden=[8,8,8,8,8,8]"), ["4", "6", "10", "12"]),
        (("model=resnet18", "model.width=4"), ["layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_taps_of_calruns_models(
    configure: Callable[..., DictConfig], words: tuple[str, ...], expected: list[str]
) -> None:
    exp = build(configure(*words, "acquisition=learning_loss"))
    assert list(exp.method.evaluated().tap_names) == expected


def test_a_tap_may_be_a_number_of_a_sequence(configure: Callable[..., DictConfig]) -> None:
    exp = build(configure("acquisition=learning_loss", "acquisition.head.taps=[0,2]"))
    assert exp.method.evaluated().tap_names == ("0", "2")


def test_a_head_reads_characters_and_words(tiny_bert: Path) -> None:
    x = torch.randint(1, 30, (3, 10))
    setup: Any = SimpleNamespace(train=Absent(3, (10,), tokens=True))
    for net in (vdcnn9(2, (10,), 30, length=64), transformer(2, (10,), 62, str(tiny_bert), pretrained=False)):
        head = TapHeadOptions(hidden_width=4).build(net, setup, num_outputs=2)
        assert head(net(x).taps).shape == (3, 2)
        assert {layer.in_features for layer in head.hidden} <= {16, 64, 128, 256, 512, 2048}  # channels, not positions


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("torchvision", "resnet18", ["layer1", "layer2", "layer3", "layer4"]),
        ("torchvision", "vgg11", ["features.4", "features.9", "features.14", "features.19"]),
        ("torchvision", "mobilenet_v3_small", ["features.3", "features.6", "features.9", "features.12"]),
        ("timm", "resnet18", ["layer1", "layer2", "layer3", "layer4"]),
        ("timm", "convnext_atto", ["stages.0", "stages.1", "stages.2", "stages.3"]),
        ("timm", "vit_tiny_patch16_224", ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]),
    ],
)
def test_taps_of_other_peoples_models(model: str, name: str, expected: list[str]) -> None:
    if model == "timm":
        timm = pytest.importorskip("timm")
        with torch.device("meta"):
            backbone = timm.create_model(name, num_classes=0)
    else:
        torchvision = pytest.importorskip("torchvision")
        with torch.device("meta"):
            backbone = torchvision.models.get_model(name, weights=None)
    assert list(stages(backbone)) == expected


def test_what_does_not_fit_is_refused_in_one_sentence(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("run", *small, "acquisition=learning_loss")
    assert "tap 'layer9' is no module of the backbone" in refusal(*words, "acquisition.head.taps=[layer9]")
    assert "acquisition.head.taps names no module" in refusal(*words, "acquisition.head.taps=[]")
    assert "acquisition.weight wants at least 0, got -1" in refusal(*words, "acquisition.weight=-1")
    assert "acquisition.cut.share wants a share from 0 to 1, got 1.5" in refusal(*words, "acquisition.cut.share=1.5")
    assert "trainer.batch_size is 1, so that its head would learn nothing" in refusal(*words, "trainer.batch_size=1")
    assert "hidden_width wants at least 1, got 0" in refusal(*words, "acquisition.head.hidden_width=0")


def test_it_learns_which_rows_have_the_higher_loss(configure: Callable[..., DictConfig], play_in: Callable[..., Any],
                                                   tmp_path: Any) -> None:  # fmt: skip
    words = ("acquisition=learning_loss", "trainer.max_epochs=30", "stop=fixed_epochs", "optimizer.lr=0.05",
             "budget.start=100", "budget.rounds=1", "acquisition.cut.share=0")  # fmt: skip
    kept = []
    play_in(tmp_path, configure(*words), prepare=kept.append)
    (exp,) = kept
    net, head = exp.method.evaluated().eval(), exp.acquisition.head
    _, x = next(exp.data.train.batches(exp.pool.labelled, 100))
    with torch.no_grad():
        output: Output = net(x)
        losses_B = nn.functional.cross_entropy(
            output.logits_BC, torch.from_numpy(exp.pool.targets_of(exp.pool.labelled)), reduction="none"
        )
        predicted_B = head.predicted(output.taps)
    ranks = [values.argsort().argsort().double() for values in (losses_B, predicted_B)]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.3
