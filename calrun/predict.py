"""One pass of a network over rows, in chunks: the only place outside a fit that moves tensors.

Dimension key: N rows, C classes, D features, K Monte-Carlo samples.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn

from calrun.dataset.base import Source
from calrun.dropout import consistent_masks
from calrun.model.mode import in_mode

MC_SEED_STRIDE = 1_000_003  # far more than a network has dropout layers


class Predictor:
    """Runs networks over rows in evaluation mode and transform.

    Args:
        accelerator: Lightning's name of the device kind.
        precision: Lightning's name of the precision of the forward pass; outputs are float32.
        batch_size: rows of one forward pass.
        channels_last: whether pictures travel channels-last.
    """

    def __init__(self, accelerator: str, precision: str, batch_size: int, channels_last: bool = False) -> None:
        alone = LightningEnvironment()  # under SLURM, Fabric would look for other tasks
        self.fabric = Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[alone])  # type: ignore[arg-type]
        self.batch_size = batch_size
        self.channels_last = channels_last

    @property
    def device(self) -> torch.device:
        return self.fabric.device

    def __call__(
        self,
        net: nn.Module,
        source: Source,
        rows: np.ndarray,
        wanted: frozenset[str],
        mc_seeds: list[int] | None = None,
    ) -> dict[str, Tensor]:
        """Returns the wanted columns of `rows` in their order, as float32 on the host.

        `wanted` names logits (N, C), features (N, D) and mc_log_probs (N, K, C), one pass per seed of `mc_seeds`.

        Raises:
            ValueError: if an output is not finite.
        """
        parts: dict[str, list[Tensor]] = {name: [] for name in sorted(wanted)}
        with self.evaluating(net):
            for _, x in self.batches(source, rows):
                for name, part in self._columns(net, x, wanted, mc_seeds or []).items():
                    parts[name].append(part)
        joined = {name: torch.cat(part) for name, part in parts.items() if part}
        for name, column in joined.items():
            _check_finite(name, column, rows)
        return joined

    def batches(self, source: Source, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) on the device, in the evaluation transform."""
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
        """Puts a network on the device in evaluation mode without gradients, and its modes back afterwards."""
        net.to(self.device)
        with in_mode(net, training=False), torch.no_grad(), self.fabric.autocast():
            yield

    def _columns(self, net: nn.Module, x: Tensor, wanted: frozenset[str], mc_seeds: list[int]) -> dict[str, Tensor]:
        columns: dict[str, Tensor] = {}
        if wanted & {"logits", "features"}:
            output = net(x)
            found = {"logits": output.logits_BC, "features": output.features_BD}
            columns = {name: found[name].float().cpu() for name in wanted & found.keys()}
        if "mc_log_probs" in wanted:
            samples = []
            for seed in mc_seeds:
                with consistent_masks(net, seed):
                    samples.append(net(x).logits_BC.float().log_softmax(dim=1))
            columns["mc_log_probs"] = torch.stack(samples, dim=1).cpu()
        return columns


def mc_seeds(rng: np.random.Generator, num_samples: int) -> list[int]:
    """Returns seeds of `num_samples` mask sets that do not overlap."""
    first = int(rng.integers(2**40))
    return [first + k * MC_SEED_STRIDE for k in range(num_samples)]


def _check_finite(name: str, column: Tensor, rows: np.ndarray) -> None:
    bad = (~column.isfinite().flatten(1).all(dim=1)).nonzero().squeeze(1).tolist()
    if bad:
        raise ValueError(
            f"the network's {name} are not finite on {len(bad)} of {len(rows)} rows (first: {rows[bad[:5]].tolist()}); "
            "lower optimizer.lr or look at these rows"
        )
