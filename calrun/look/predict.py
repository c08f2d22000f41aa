"""One pass of a network over rows, in chunks: the only place outside a fit that moves tensors.

Dimension key: N rows, C classes, D features, K Monte-Carlo samples.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn

from calrun.dataset.base import Source
from calrun.look.dropout import consistent_masks
from calrun.model.adapt.mode import in_mode
from calrun.model.base import Output
from calrun.parallel import world

BLOCK = 65_536  # rows whose entries are looked at together, so that what is found takes little memory
MC_SEED_STRIDE = 1_000_003  # distance between the seeds of two samples, far more than a network has dropout layers


@dataclass(frozen=True)
class Seen:
    """A batch in front of a network in evaluation mode; it goes through when its output is first asked for.

    Args:
        net: the network.
        x: (B, ...), on its device.
        reduced: the task's reduction of logits to one row of logits for each row.
        mask_seeds: one for each Monte-Carlo sample that is wanted.
        targets: the labels of the batch as the source has them (B, ...), for evaluations alone.
    """

    net: nn.Module
    x: Tensor
    reduced: Callable[[Tensor], Tensor]
    mask_seeds: tuple[int, ...] = ()
    targets: Callable[[], np.ndarray] = lambda: np.empty(0)

    @property
    def y(self) -> Tensor:
        return torch.from_numpy(self.targets()).to(self.x.device)

    @cached_property
    def output(self) -> Output:
        output: Output = self.net(self.x)
        return output


def logits(seen: Seen) -> Tensor:
    """Returns one row of logits for each row of a batch (B, C).

    Raises:
        ValueError: if the task's `reduced` returns another shape.
    """
    reduced = seen.reduced(seen.output.logits_BC)
    if reduced.ndim != 2:
        raise ValueError(
            f"the task's `reduced` wants to return one row of logits for each row, (B, C), but came a tensor of shape "
            f"{tuple(reduced.shape)}; correct it"
        )
    return reduced


def features(seen: Seen) -> Tensor:
    """Returns the penultimate features of a batch (B, D)."""
    return seen.output.features_BD


def mc_log_probs(seen: Seen) -> Tensor:
    """Returns the log-probabilities of a batch under each set of dropout masks (B, K, C)."""
    samples = [seen.reduced(logits).float().log_softmax(dim=1) for logits in sampled_logits(seen)]
    return torch.stack(samples, dim=1)


def sampled_logits(seen: Seen) -> Iterator[Tensor]:
    """Yields the network's logits of a batch (B, C, ...) under each set of dropout masks."""
    for seed in seen.mask_seeds:
        with consistent_masks(seen.net, seed):
            logits: Tensor = seen.net(seen.x).logits_BC
        yield logits


LOGITS = {"logits": logits}


class Predictor:
    """Runs networks over rows, in evaluation mode and under the evaluation transform.

    Args:
        accelerator: Lightning's name of the device kind.
        precision: Lightning's name of the precision of the forward pass; outputs are float32.
        batch_size: rows of one forward pass.
        channels_last: whether pictures travel channels-last.
        reduced: the task's reduction of logits to one row of logits for each row; by default they stay as they are.
    """

    def __init__(
        self,
        accelerator: str,
        precision: str,
        batch_size: int,
        channels_last: bool = False,
        reduced: Callable[[Tensor], Tensor] = lambda logits: logits,
    ) -> None:
        alone = LightningEnvironment()  # under SLURM, Fabric would look for other tasks
        self.fabric = Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[alone])  # type: ignore[arg-type]
        self.batch_size, self.precision = batch_size, precision
        self.channels_last, self.reduced = channels_last, reduced

    @property
    def device(self) -> torch.device:
        return self.fabric.device

    def __call__(
        self,
        net: nn.Module,
        source: Source,
        rows: np.ndarray,
        columns: Mapping[str, Callable[[Seen], Tensor]],
        mask_seeds: Sequence[int] = (),
    ) -> dict[str, Tensor]:
        """Returns columns of `rows` in their order, on the host; floats in single precision.

        Args:
            net: the network.
            source: where the rows are.
            rows: int64 (N,).
            columns: by name, what is kept of each batch: (B, ...).
            mask_seeds: one for each Monte-Carlo sample.

        Raises:
            ValueError: if a column is not finite, or does not have one entry for each row.
        """
        order = source.passing_order(rows)
        passing = rows if order is None else rows[order]
        together = world.is_together() and len(rows) > 0
        shares = world.shares(len(rows), self.batch_size)
        places = order if order is not None and not together else np.arange(shares[world.rank()])
        joined = self._passed(net, source, passing[world.own(shares)], places, columns, tuple(mask_seeds))
        if together:
            joined = {name: world.gathered_column(joined.get(name), shares) for name in columns}
            if order is not None:
                back = torch.from_numpy(np.argsort(order))
                joined = {name: column[back] for name, column in joined.items()}
        for name, column in joined.items():
            check_finite(f"the network's {name}", column, rows, "lower optimizer.lr or look at these rows")
        return joined

    def _passed(
        self,
        net: nn.Module,
        source: Source,
        rows: np.ndarray,
        places: np.ndarray,
        columns: Mapping[str, Callable[[Seen], Tensor]],
        mask_seeds: tuple[int, ...],
    ) -> dict[str, Tensor]:
        """Returns columns that hold what comes of each row at its place; they are never held twice."""
        filled: dict[str, Tensor] = {}
        done = 0
        with self.evaluating(net):
            for chunk, x in self.batches(source, rows):
                seen = Seen(net, x, self.reduced, mask_seeds, partial(source.targets.__getitem__, chunk))
                for name, of in columns.items():
                    part = of(seen)
                    check_rows(name, part, len(chunk))
                    if name not in filled:
                        filled[name] = torch.empty((len(rows), *part.shape[1:]), dtype=kept_dtype(part, x, source))
                    check_width(name, part, filled[name])
                    filled[name][torch.from_numpy(places[done : done + len(chunk)])] = part.to(filled[name])
                done += len(chunk)
        return filled

    def batches(self, source: Source, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) on the device, under the evaluation transform."""
        source.to(self.device)
        for chunk, x in source.batches(rows, self.batch_size):
            moved = x.to(self.device, non_blocking=True)
            yield chunk, moved.to(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else moved

    def place(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Returns columns with their tensors on the device if they fill at most half of what is free there."""
        tensors = {name: column for name, column in columns.items() if isinstance(column, Tensor)}
        module = torch.get_device_module(self.device)
        if hasattr(module, "mem_get_info"):
            if 2 * sum(t.nbytes for t in tensors.values()) > module.mem_get_info(self.device)[0]:
                return columns
            return columns | {name: tensor.to(self.device) for name, tensor in tensors.items()}
        return columns

    @contextmanager
    def evaluating(self, net: nn.Module) -> Iterator[None]:
        """Puts a network on the device, in evaluation mode and without gradients, and restores its modes afterwards."""
        net.to(self.device)
        with in_mode(net, training=False), torch.no_grad(), self.fabric.autocast():
            yield


def mc_seeds(rng: np.random.Generator, num_samples: int) -> list[int]:
    """Returns seeds of `num_samples` mask sets that do not overlap."""
    first = int(rng.integers(2**40))
    return [first + k * MC_SEED_STRIDE for k in range(num_samples)]


def kept_dtype(part: Tensor, x: Tensor, source: Source) -> torch.dtype:
    """Returns in which dtype a column is kept: single precision, or what the source has where they are its own rows.

    Features from a store that go through a linear network untouched are half precision again: nothing is lost.
    """
    if not part.is_floating_point():
        return part.dtype
    stored, own = source.dtype, part.data_ptr() == x.data_ptr() and part.shape == x.shape
    return stored if stored is not None and own else torch.float32


def check_rows(name: str, column: object, num_rows: int) -> None:
    """Refuses anything but a tensor with one entry for each row: rows and entries would be paired wrongly.

    Raises:
        ValueError: with what came instead.
    """
    if not isinstance(column, Tensor) or column.shape[:1] != (num_rows,):
        came = f"a tensor of shape {tuple(column.shape)}" if isinstance(column, Tensor) else type(column).__name__
        raise ValueError(
            f"column {name!r} wants a tensor with one entry for each of {num_rows} rows, but came {came}; correct what "
            "makes it"
        )


def check_width(name: str, part: Tensor, column: Tensor) -> None:
    """Refuses a batch whose entries have another shape than those of the batches before.

    Raises:
        ValueError: with both shapes.
    """
    if part.shape[1:] != column.shape[1:]:
        raise ValueError(
            f"column {name!r} wants entries of one shape, but after {tuple(column.shape[1:])} came "
            f"{tuple(part.shape[1:])}; correct what makes it"
        )


def check_finite(what: str, column: Tensor, rows: np.ndarray, cure: str) -> None:
    """Refuses a column that is not finite, naming its first bad rows."""
    bad = [start + row for start in range(0, len(column), BLOCK) for row in not_finite(column[start : start + BLOCK])]
    if bad:
        raise ValueError(
            f"{what} are not finite on {len(bad)} of {len(rows)} rows (first: {rows[bad[:5]].tolist()}); {cure}"
        )


def not_finite(entries: Tensor) -> list[int]:
    """Returns the positions of the entries that hold a number that is not finite."""
    finite = entries.isfinite().reshape(len(entries), entries[:1].numel()).all(dim=1)
    positions: list[int] = (~finite).nonzero().squeeze(1).tolist()
    return positions
