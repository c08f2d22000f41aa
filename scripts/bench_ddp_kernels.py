"""Times BADGE's and CoreSet's choice where a second process helps, beside the same choice by the first one alone.

`python scripts/bench_ddp_kernels.py [--rows 20000] [--features 256] [--classes 10] [--budget 500] [--processes 2]`
starts the processes on this machine, with one thread each, and prints a row for each acquisition: the median seconds
of both ways, played in turn, their ratio, the same of the first process's processor time, which other programs on the
machine change less, and whether the picks are the same. Sending the rows to the helpers is counted.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as dist
from bench_acquisition import CONF
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel import factors
from calrun.parallel import world

NEVER = 1 << 62  # more work than any pass has


def candidates(num_rows: int, num_features: int, num_classes: int) -> Candidates:
    """Returns clustered rows, some of them labelled."""
    generator = torch.Generator().manual_seed(0)
    centres_CD = 2 * torch.randn(100, num_features, generator=generator)
    features_ND = centres_CD[torch.arange(num_rows) % 100] + torch.randn(num_rows, num_features, generator=generator)
    logits_NC = 3 * torch.randn(num_rows, num_classes, generator=generator)
    columns = {"features": features_ND, "logits": logits_NC, "labelled_features": features_ND[:500] + 0.1}
    return Candidates(np.arange(num_rows), columns)


Timed = tuple[float, float, list[int]]


def timed(choose: Callable[[], np.ndarray], least_work: int) -> Timed:
    """Returns wall and processor seconds of a choice, which others help with passes of this work and more."""
    factors.LEAST_WORK = least_work
    dist.barrier()
    begun, busy = time.perf_counter(), time.process_time()
    picks = world.of_first(choose)
    return time.perf_counter() - begun, time.process_time() - busy, picks.tolist()


def play(rank: int, store: str, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=options.processes)
    least, seen = factors.LEAST_WORK, candidates(options.rows, options.features, options.classes)
    for name in ("badge", "coreset"):
        acquisition = instantiate(OmegaConf.load(f"{CONF}/acquisition/{name}.yaml"))
        ways: dict[int, list[Timed]] = {NEVER: [], least: []}
        for _ in range(options.repeats):
            for way, found in ways.items():
                draw = np.random.default_rng(0)
                found.append(timed(lambda own=acquisition, rng=draw: own.select(seen, options.budget, rng), way))
        figures = [[statistics.median(each) for each in list(zip(*found, strict=True))[:2]] for found in ways.values()]
        same = len({tuple(picks) for found in ways.values() for *_, picks in found}) == 1
        if rank == 0:
            columns = (f"{one:7.2f} {other:7.2f} {one / other:6.2f}" for one, other in zip(*figures, strict=True))
            print(f"{name:8s} {'  '.join(columns)}  {'yes' if same else 'NO'}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("           alone  helped  ratio | processor: alone, helped, ratio | same picks")
    with tempfile.TemporaryDirectory() as folder:
        spawn = multiprocessing.get_context("spawn")
        ranks = [
            spawn.Process(target=play, args=(rank, f"{folder}/store", options)) for rank in range(options.processes)
        ]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
    raise SystemExit(max(process.exitcode or 0 for process in ranks))


if __name__ == "__main__":
    main()
