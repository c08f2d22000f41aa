"""Any classifier of the user: a plain module that returns logits becomes a backbone and its own last linear layer.

Dimension key: B batch, C classes, D features.
"""

from inspect import Parameter, signature
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from calrun.model.adapt.adapter import first_line
from calrun.model.adapt.mode import in_mode
from calrun.model.base import Classifier, Output

TRIED_ROWS = 2


def make_net(
    cfg: DictConfig, num_classes: int, input_shape: tuple[int, ...], vocabulary: int | None = None
) -> Classifier:
    """Returns the network of a `model` node, with random weights.

    Args:
        cfg: the `model` node; its `_target_` gets `num_classes`, `input_shape` and `vocabulary` if it takes them.
        num_classes: C.
        input_shape: shape of one x.
        vocabulary: how many values a token can have; `None` where x holds fractions.

    Raises:
        ValueError: if it does not make a classifier that calrun can look into.
    """
    told = told_arguments(cfg, num_classes=num_classes, input_shape=input_shape, vocabulary=vocabulary)
    x = tried_rows(input_shape, vocabulary)
    return classifier(instantiate(cfg, **told), str(cfg.get("_target_")), num_classes, x)


def tried_rows(input_shape: tuple[int, ...], vocabulary: int | None) -> Tensor:
    """Returns two rows that a network is tried on, fractions or tokens, always the same."""
    generator = torch.Generator().manual_seed(0)
    if vocabulary is None:
        return torch.randn(TRIED_ROWS, *input_shape, generator=generator)
    return torch.randint(1, vocabulary, (TRIED_ROWS, *input_shape), generator=generator)


def told_arguments(cfg: DictConfig, **known: Any) -> dict[str, Any]:
    """Returns those of `known` that the target names, and `num_classes` if it takes any keyword argument."""
    try:
        parameters = signature(get_object(cfg["_target_"])).parameters
    except (ImportError, ValueError, TypeError, KeyError):  # reported when the target is instantiated
        return known
    hands_on = any(each.kind == Parameter.VAR_KEYWORD for each in parameters.values())
    return {name: value for name, value in known.items() if name in parameters or (hands_on and name == "num_classes")}


def classifier(net: object, target: str, num_classes: int, x: Tensor) -> Classifier:
    """Returns a classifier of calrun's as it is; of any other network, the last linear layer becomes the head.

    Raises:
        ValueError: if `net` returns anything but the output of a linear layer, (B, C), in training or in evaluation.
    """
    if not isinstance(net, nn.Module):
        raise ValueError(
            f"model: {target} gives an object of {type(net).__name__}; a torch.nn.Module that returns logits is wanted"
        )
    check_state(net, target)
    if isinstance(net, Classifier):
        refuse_tokens(net, x, target)
        return net
    with in_mode(net, training=False), torch.no_grad():
        logits, calls = watched(net, x, target)
    check_logits(logits, target, num_classes)
    name, head = returned_by(calls, logits, target)
    check_steady(net, x, target)
    before = tried(net, x), tried(net, x, training=True)
    found = Classifier(without(net, head), head.in_features, num_classes)
    found.head = with_bias(head)
    check_same(found, x, before, target, name)
    return found


def refuse_tokens(net: Classifier, x: Tensor, target: str) -> None:
    """Raises a ValueError if a network of calrun's cannot take rows of tokens."""
    if not x.is_floating_point() and isinstance(error := tried(net, x), Exception):
        raise ValueError(
            f"model: {target} cannot take the data set's rows, which are up to {x.shape[1]} tokens "
            f"({type(error).__name__}: {first_line(error)}); choose model=transformer or model=vdcnn9"
        ) from error


def check_state(net: nn.Module, target: str) -> None:
    """Refuses a network whose state is more than tensors: a run folder holds nothing else."""
    others = [name for name, value in net.state_dict().items() if not isinstance(value, Tensor)]
    if others:
        raise ValueError(
            f"model: {target} keeps {len(others)} things in its state that are no tensors (first: {others[:5]}); "
            "let get_extra_state return a tensor, or leave it out"
        )


def watched(net: nn.Module, x: Tensor, target: str) -> tuple[object, list[tuple[str, nn.Linear, Tensor]]]:
    """Returns what a network returns for x, and each call of a linear layer on the way with its output."""
    calls: list[tuple[str, nn.Linear, Tensor]] = []

    def note(name: str, layer: nn.Linear) -> Any:
        return layer.register_forward_hook(lambda module, inputs, output: calls.append((name, layer, output)))

    handles = [note(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    try:
        return net(x.clone()), calls
    except Exception as error:  # whatever the user's own code raises
        raise ValueError(
            f"model: {target} refuses inputs of shape {tuple(x.shape)} ({type(error).__name__}: {first_line(error)}); "
            "make it fit the data set"
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def check_logits(logits: object, target: str, num_classes: int) -> None:
    """Refuses outputs that are not logits (B, C)."""
    if not isinstance(logits, Tensor):
        raise ValueError(f"model: {target} returns a {type(logits).__name__}; return the logits alone, a tensor (B, C)")
    if tuple(logits.shape) != (TRIED_ROWS, num_classes):
        raise ValueError(
            f"model: {target} returns a tensor of shape {tuple(logits.shape)} for {TRIED_ROWS} rows, but the data set "
            f"has {num_classes} classes; return logits of shape ({TRIED_ROWS}, {num_classes}), or take num_classes as "
            "an argument"
        )


def returned_by(calls: list[tuple[str, nn.Linear, Tensor]], logits: object, target: str) -> tuple[str, nn.Linear]:
    """Returns the linear layer whose output the network returns."""
    matching = [(name, layer) for name, layer, output in calls if isinstance(logits, Tensor) and output is logits]
    matching = matching or [(name, layer) for name, layer, output in calls if same(output, logits)]
    if not matching:
        seen = f"its last one is {calls[-1][0]!r}" if calls else "it has none"
        raise ValueError(
            f"model: {target} does not return the output of an nn.Linear as it is ({seen}); return the logits of a "
            "last nn.Linear, without a softmax or anything else behind it"
        )
    return matching[-1]


def same(output: object, logits: object) -> bool:
    """Tells whether two outputs are equal tensors."""
    return (
        isinstance(output, Tensor)
        and isinstance(logits, Tensor)
        and output.shape == logits.shape
        and torch.equal(output, logits)
    )


def without(net: nn.Module, head: nn.Linear) -> nn.Module:
    """Returns a network whose layer `head` passes on its input, under every name that the network has for it."""
    for name in [name for name, layer in net.named_modules(remove_duplicate=False) if layer is head]:
        if not name:
            return nn.Identity()
        net.set_submodule(name, nn.Identity())
    return net


def with_bias(head: nn.Linear) -> nn.Linear:
    """Returns the layer; if it has no bias, it gets one that stays 0, since acquisitions look at it."""
    if head.bias is None:
        head.bias = nn.Parameter(head.weight.new_zeros(head.out_features), requires_grad=False)
    return head


def tried(net: nn.Module, x: Tensor, training: bool = False, seed: int = 0) -> object:
    """Returns what a network returns for x, or the error that it raises; its statistics and modes stay as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    try:
        with in_mode(net, training), torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            said = net(x.clone())
            return said.logits_BC if isinstance(said, Output) else said
    except Exception as error:  # whatever the user's own code raises
        return error
    finally:
        for buffer, old in buffers:
            buffer.data.copy_(old)


def check_steady(net: nn.Module, x: Tensor, target: str) -> None:
    """Refuses a network that is random in evaluation mode or changes its input."""
    if not alike(tried(net, x, seed=0), tried(net, x, seed=1)):
        raise ValueError(
            f"model: {target} answers the same input differently each time in evaluation mode; let what is random in "
            "it depend on self.training"
        )
    shown = x.clone()
    with in_mode(net, training=False), torch.no_grad():
        net(shown)
    if not torch.equal(shown, x):
        raise ValueError(f"model: {target} changes its input in place; let its forward work on a copy, x.clone()")


def check_same(found: Classifier, x: Tensor, before: tuple[object, object], target: str, name: str) -> None:
    """Refuses a network that computes something else once its head is taken off and put behind it."""
    if not alike(tried(found, x), before[0]):
        raise ValueError(
            f"model: {target} uses its last nn.Linear {name!r} in another way than as its last step; let its forward "
            "end with this layer, called once on features (B, D)"
        )
    if not isinstance(before[1], Exception) and not alike(tried(found, x, training=True), before[1]):
        raise ValueError(
            f"model: {target} returns the output of its last nn.Linear {name!r} in evaluation mode, but something else "
            "in training mode; let its forward end with this layer in both"
        )


def alike(first: object, second: object) -> bool:
    """Tells whether two answers of a network are the same except for rounding."""
    if not isinstance(first, Tensor) or not isinstance(second, Tensor) or first.shape != second.shape:
        return False
    return torch.allclose(first, second, 1e-4, 1e-5, equal_nan=True)
