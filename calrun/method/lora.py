"""LoRA. Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", Sec. 4.1, through `peft`.

The backbone stays as it is; a layer W of it gives W x + (alpha / r) B A x, where A and B of rank r are
trained with the head.

An update is a product of two matrices that both grow, times alpha / r, under biases that stay: a learning rate that is
right for a whole network can be too large here, most of all on a backbone of random weights and with more labels, which
mean more steps. On digits with model=mlp and its SGD of 0.05, 200 labels end at 10 % (14 % of the labelled rows): B of
the second layer has grown to 5.5, from 0.5 with 100 labels. With 0.02, or alpha = 4, accuracy reaches 90 and 92 % with
500 labels (optimizer.lr, method.alpha).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from calrun.method.composed import Composed
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.stop import StoppingRule
from calrun.method.objective import Objective
from calrun.method.phase import Phase
from calrun.method.start import Checkpoint
from calrun.method.visit import Visit
from calrun.model.adapt.adapter import first_line
from calrun.model.adapt.checkpoint import weights_for
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.setup import Setup
from calrun.text.legal import share

ATTENTION = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "qkv")  # last words of names in timm, transformers
KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)
INNER = "base_layer."  # what peft puts into the names of a layer that it adapts
ADDED = re.compile(r"\blora_")
FIRST = 5


class AdaptedCheckpoint(Checkpoint):
    """Every round starts from a backbone on disk, as `Checkpoint`; the file knows nothing of adapters."""

    def fill(self, net: Classifier) -> None:
        if self.path is None:
            return
        own = {plain(name): name for name in net.backbone.state_dict() if not ADDED.search(name)}
        wanted = {name: net.backbone.state_dict()[ours] for name, ours in own.items()}
        weights = weights_for(wanted, self.path, self.prefix, self.leave_out)
        net.backbone.load_state_dict({own[name]: value for name, value in weights.items()}, strict=False)


class Lora(Composed):
    """Trains adapters of low rank and the head; everything else of the backbone stays as the round began.

    Its state is whole, not the adapters alone: a run folder is good for predictions wherever it lies.

    Args:
        start: the backbone's weights; every round has new adapters, which begin by changing nothing, and a new head.
        rank: r.
        alpha: the factor on the adapters is alpha / r.
        dropout: share of a layer's inputs that its adapter does not see in training.
        target_modules: last words of the names of layers to adapt, such as query or mlp.fc1; `None` takes the queries
            and values of attention, and all linear layers of a backbone that has none.
    """

    def __init__(  # noqa: PLR0913 - the pieces of a method, and the paper's numbers
        self,
        start: AdaptedCheckpoint,
        visit: Visit,
        objective: Objective,
        optimizer: OptimizerFactory,
        stop: StoppingRule,
        setup: Setup,
        rank: int,
        alpha: int,
        dropout: float,
        target_modules: Sequence[str] | None,
        phases: Sequence[Phase] = (Phase(freeze_batch_norm=True),),
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        refuse_numbers(rank, alpha, dropout)
        build_plain = setup.build_net

        def build_net() -> Classifier:
            return adapted(build_plain(), rank, alpha, dropout, target_modules)

        setup.build_net = build_net  # in place: build() may still change the setup
        super().__init__(start, visit, objective, optimizer, stop, setup, phases, parts)

    def notes(self) -> dict[str, float]:
        trained = sum(each.numel() for each in self.net.parameters() if each.requires_grad)
        return {**super().notes(), "trained_parameters": float(trained)}

    def carried(self) -> dict[str, Any]:
        state = super().carried()
        return {"adapted": state.pop("net"), **state}  # "net" would be a network without adapters

    def restore(self, carried: dict[str, Any]) -> None:
        super().restore({**carried, "net": carried["adapted"]})


def plain(name: str) -> str:
    """Returns the name that a weight had before its layer was adapted."""
    return name.replace(INNER, "")


def adapted(net: Classifier, rank: int, alpha: int, dropout: float, target_modules: Sequence[str] | None) -> Classifier:
    """Returns a network with adapters in its backbone, whose own weights are frozen.

    Raises:
        ValueError: if peft is not installed, or nothing can be adapted.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ValueError("method=lora wants peft, which is not installed; pip install 'calrun[lora]'") from None
    names = chosen(net.backbone, target_modules)
    pattern = "|".join(map(re.escape, names))  # a list would also match other layers that end alike
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=pattern)
    try:
        inject_adapter_in_model(config, net.backbone)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"method.target_modules names layers that peft cannot adapt ({first_line(error)}); choose others"
        ) from error
    return net


def chosen(backbone: nn.Module, target_modules: Sequence[str] | None) -> list[str]:
    """Returns the names of the layers that get an adapter.

    Raises:
        ValueError: if there is none, or one of another kind than adapters can take.
    """
    layers = dict(backbone.named_modules())
    if target_modules is None:
        linear = [*linear_layers(backbone)]
        names = [name for name in linear if name.rpartition(".")[2] in ATTENTION] or linear
        wanted = "the backbone has no linear layer"
    else:
        endings = tuple(f".{ending}" for ending in target_modules)
        names = [name for name in layers if name and f".{name}".endswith(endings)]
        wanted = f"no layer's name ends with one of {[*target_modules]}"
    legal = [name for name, layer in layers.items() if isinstance(layer, KINDS)]
    others = [f"{name} ({type(layers[name]).__name__})" for name in names if name not in legal]
    if names and not others:
        return names
    wrong = f"{others[:FIRST]} are neither linear, convolutional nor embeddings" if names else wanted
    raise ValueError(
        f"method.target_modules: {wrong}; choose last words of names such as {legal[:FIRST]}, or another method"
    )


def linear_layers(backbone: nn.Module) -> Iterator[str]:
    """Yields the names of linear layers that are called; torch's own attention reads the weights of its last one."""
    inner = {
        id(layer) for each in backbone.modules() if isinstance(each, nn.MultiheadAttention) for layer in each.modules()
    }
    for name, layer in backbone.named_modules():
        if isinstance(layer, nn.Linear) and id(layer) not in inner:
            yield name


def refuse_numbers(rank: int, alpha: int, dropout: float) -> None:
    """Raises a ValueError if a number of the adapters cannot be meant."""
    share("method.dropout", dropout)
    if rank < 1 or alpha <= 0:
        raise ValueError(
            f"method.rank wants a whole number of at least 1 and method.alpha one above 0, got {rank} and {alpha}; "
            "the paper's are 4 or 8, and alpha twice as much is usual"
        )
