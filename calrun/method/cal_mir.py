"""CAL-MIR, maximally interfered retrieval. Das et al. 2023 (CAL), Sec. 3.2.2; Aljundi et al. 2019.

Dimension key: B batch of current rows, M candidates, C classes.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from calrun.acquisition.kernel.factors import full_precision
from calrun.method.visit import Choose
from calrun.model.adapt.mode import in_mode
from calrun.part.batch import Batch
from calrun.task.base import Task
from calrun.text.legal import one_of


class MostInterfered(Choose):
    """Replays the candidates whose loss a plain gradient step on the current batch would raise most.

    Differs from the paper: its text prints loss before minus loss after, which would replay the least interfered;
    Aljundi et al. and the authors' code take after minus before, and so does this.

    Args:
        selection: `top` takes the highest scores (the paper); `softmax_sample` draws without replacement with
            probability softmax(score) (the authors' code).
        score_mode: `eval` compares losses without batch noise; `train` normalises each batch by itself (the authors'
            code).
    """

    steps_on_current = True

    def __init__(self, selection: str = "top", score_mode: str = "eval") -> None:
        one_of("method.visit.choose.selection", selection, ("top", "softmax_sample"))
        one_of("method.visit.choose.score_mode", score_mode, ("eval", "train"))
        self.selection, self.score_mode = selection, score_mode

    def __call__(self, net: nn.Module, current: Batch, candidates: Batch, size: int, lr: Tensor | float) -> Tensor:
        scores = interference(net, current, candidates, lr, self.score_mode, self.task)
        if self.selection == "softmax_sample":
            return torch.multinomial(scores.softmax(0) + 1e-8, size)
        return scores.sort(descending=True, stable=True).indices[:size]

    def cost(self, num_current: int, num_candidates: int) -> tuple[int, int]:
        return 2 * num_candidates + num_current, num_current


def interference(
    net: nn.Module, current: Batch, candidates: Batch, lr: Tensor | float, score_mode: str, task: Task
) -> Tensor:
    """Returns loss(theta - lr * gradient) - loss(theta) of each candidate (M,); the network is left untouched.

    Everything is in single precision: late in a schedule the difference is below what mixed precision can resolve.
    """
    with torch.autocast(current.x.device.type, enabled=False), full_precision():
        parameters = {name: single(p).requires_grad_() for name, p in net.named_parameters() if p.requires_grad}
        loss = _losses(net, parameters, current, task).mean()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        with torch.no_grad(), in_mode(net, score_mode == "train"):
            stepped = {
                name: p if gradient is None else p - lr * gradient
                for (name, p), gradient in zip(parameters.items(), gradients, strict=True)
            }
            return _losses(net, stepped, candidates, task) - _losses(net, parameters, candidates, task)


def _losses(net: nn.Module, parameters: dict[str, Tensor], batch: Batch, task: Task) -> Tensor:
    """Returns the loss of each row with some parameters replaced, and copies of the buffers for BatchNorm to change."""
    own = {name: single(p) for name, p in net.named_parameters()}
    buffers = {name: single(b).clone() for name, b in net.named_buffers()}
    logits_BC = functional_call(net, {**own, **buffers, **parameters}, (single(batch.x),)).logits_BC
    return task.losses(logits_BC, batch.y)


def single(tensor: Tensor) -> Tensor:
    """Returns a tensor without its gradient history, in single precision if it is floating-point."""
    return tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
