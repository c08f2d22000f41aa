"""Selection at the shape of ImageNet: 1.28 million rows, 2048 features, 1000 classes, stored in half precision.

Without a device, features and logits are memory maps, made once and read in chunks; with one, they are held on it. Run
by `python scripts/bench_acquisition.py --imagenet [--device ...]`.

Dimension key: N rows, B rows of a chunk, L labelled rows, C classes, D features.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measured import measured, resident
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates

NUM_ROWS, NUM_FEATURES, NUM_CLASSES, NUM_LABELLED = 1_280_000, 2048, 1000, 1000
CHUNK = 8192
BUDGET, BUDGET_OF_SEQUENTIAL = 10_000, 1000  # on the host, sequential cases get the second without --full-budget
SEQUENTIAL = ("coreset", "badge")
IMAGENET_CASES = ("margin", "mase", "base_balanced", "badge_pooled", "coreset", "badge")


class Source:
    """Chunks of synthetic rows, the same for each chunk number on one kind of device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(0)
        self.centre_CD = torch.randn(NUM_CLASSES, NUM_FEATURES, device=device, generator=self.generator)
        self.head_CD = 0.02 * self.centre_CD

    def chunk(self, number: int) -> tuple[Tensor, Tensor]:
        """Returns the next rows: non-negative clustered features and their logits, in half precision."""
        class_B = torch.randint(NUM_CLASSES, (number,), device=self.device, generator=self.generator)
        width_B1 = 1 + torch.rand(number, 1, device=self.device, generator=self.generator).square()
        noise_BD = torch.randn(number, NUM_FEATURES, device=self.device, generator=self.generator)
        features_BD = noise_BD.mul_(width_B1).add_(self.centre_CD[class_B]).relu_().half()
        return features_BD, (features_BD.float() @ self.head_CD.T).half()


def filled(features_ND: Tensor, logits_NC: Tensor, source: Source) -> None:
    for start in range(0, len(features_ND), CHUNK):
        part = slice(start, min(start + CHUNK, len(features_ND)))
        features_ND[part], logits_NC[part] = source.chunk(part.stop - part.start)


def on_device(num_rows: int, source: Source) -> tuple[Tensor, Tensor]:
    shapes = (num_rows, NUM_FEATURES), (num_rows, NUM_CLASSES)
    features_ND, logits_NC = (torch.empty(shape, dtype=torch.half, device=source.device) for shape in shapes)
    filled(features_ND, logits_NC, source)
    return features_ND, logits_NC


def on_disk(num_rows: int, source: Source, store: Path) -> tuple[Tensor, Tensor]:
    """Returns memory-mapped features and logits, written first if they are not there yet."""
    store.mkdir(parents=True, exist_ok=True)
    paths = [(store / f"{name}-{num_rows}.f16", width) for name, width in (("h", NUM_FEATURES), ("z", NUM_CLASSES))]
    if not all(path.exists() and path.stat().st_size == 2 * num_rows * width for path, width in paths):
        partial = [(path.with_suffix(".part"), width) for path, width in paths]
        maps = [np.memmap(path, np.float16, "w+", shape=(num_rows, width)) for path, width in partial]
        filled(torch.from_numpy(maps[0]), torch.from_numpy(maps[1]), source)
        for written, (path, _) in zip(partial, paths, strict=True):
            written[0].rename(path)
    features_ND, logits_NC = (
        torch.from_numpy(np.memmap(path, np.float16, "r+", shape=(num_rows, width))) for path, width in paths
    )
    return features_ND, logits_NC


def candidates_of(device: torch.device | None, store: Path, num_rows: int) -> Candidates:
    source = Source(device or torch.device(torch.get_default_device()))
    labelled_LD, labelled_LC = source.chunk(NUM_LABELLED)
    features_ND, logits_NC = on_device(num_rows, source) if device else on_disk(num_rows, source, store)
    columns = {"features": features_ND, "logits": logits_NC, "head_weight": source.head_CD}
    columns |= {"labelled_features": labelled_LD, "labelled_logits": labelled_LC}
    return Candidates(np.arange(num_rows), columns)


def imagenet_table(
    acquisition_of: Callable[[str], Acquisition],
    cases: list[str] | None,
    device_name: str | None,
    store: Path,
    share: float,
    full_budget: bool,
) -> None:
    """Prints seconds and peak memory of each case, which is run once."""
    device = None if device_name is None else torch.device(device_name)
    start = time.perf_counter()
    candidates = candidates_of(device, store, int(share * NUM_ROWS))
    print(f"{len(candidates):,} rows, made or opened in {time.perf_counter() - start:.0f} s\n")
    print("| case | b | s | peak resident GiB | peak device GiB |\n|---|---|---|---|---|")
    for name in cases or IMAGENET_CASES:
        less = device is None and name in SEQUENTIAL and not full_budget
        budget = int(share * (BUDGET_OF_SEQUENTIAL if less else BUDGET))
        print(table_row(name, acquisition_of(name), candidates, budget, device))
        sys.stdout.flush()


def table_row(
    name: str, acquisition: Acquisition, candidates: Candidates, budget: int, device: torch.device | None
) -> str:
    columns = {need: candidates.columns[need] for need in acquisition.needs}
    if device is not None:
        torch.accelerator.reset_peak_memory_stats(device)
    only = Candidates(candidates.rows, columns)
    seconds, _, rows = measured(lambda: acquisition.select(only, budget, np.random.default_rng(0)), 1)
    assert len(set(rows.tolist())) == budget
    peak = resident("VmHWM") / 2**30  # with the pages of the maps
    on_chip = "-" if device is None else f"{torch.accelerator.max_memory_allocated(device) / 2**30:.1f}"
    return f"| {name} | {budget:,} | {seconds:.1f} | {peak:.1f} | {on_chip} |"
