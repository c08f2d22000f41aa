"""Times the greedy kernels beside literal versions of the same algorithms, in one process with equal threads.

`python scripts/bench_acquisition.py [--threads 2] [--cases badge_50k coreset_50k] [--share 0.1]` prints a Markdown
table: medians of three; a literal version is timed on its first picks and scaled up. Memory is the peak of the resident
set above what was there before. `--growth` prints time and memory against the number of candidates, and their fits.
`--imagenet` runs the shapes of ImageNet on memory-mapped features, or with `--device` on an accelerator. Except there,
each case's memory is measured in a process of its own.

Dimension key: N candidates, L labelled rows, C classes, D features.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from bench_imagenet import IMAGENET_CASES, imagenet_table
from bench_scores import glister_case
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from measured import alone, measured
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.residual import residual

BUDGET, NUM_FEATURES, NUM_LABELLED = 500, 512, 1000
GROWTH_ROWS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
GROWTH_CASES = ("coreset", "badge", "fass", "glister")
FILTERED_ROWS, FILTERED_OF = (1_250, 2_500, 5_000, 10_000, 20_000), 50_000  # F rows of FASS's filter, of N
CONF = str(Path(__file__).parents[1] / "conf")

Literal = Callable[[Candidates, int, np.random.Generator], list[int]]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        option: the acquisition.
        num_rows: N.
        num_classes: C.
        target_s: seconds to reach on two quiet cores.
        literal: the algorithm as published, given a number of picks.
        literal_picks: how many of the budget's picks the literal version is asked for.
    """

    option: str
    num_rows: int
    num_classes: int
    target_s: float
    literal: Literal
    literal_picks: int


def world(num_rows: int, num_classes: int) -> Candidates:
    """Returns non-negative clustered features with outliers, and logits of a head that is right about most of them."""
    generator = torch.Generator().manual_seed(0)
    centre_CD = torch.randn(num_classes, NUM_FEATURES, generator=generator)
    columns: dict[str, Tensor] = {}
    for prefix, number in (("", num_rows), ("labelled_", NUM_LABELLED)):
        class_N = torch.randint(num_classes, (number,), generator=generator)
        width_N1 = 1 + torch.rand(number, 1, generator=generator).square()
        noise_ND = torch.randn(number, NUM_FEATURES, generator=generator)
        features_ND = noise_ND.mul_(width_N1).add_(centre_CD[class_N]).relu_()
        columns |= {f"{prefix}features": features_ND, f"{prefix}logits": features_ND @ (0.03 * centre_CD.T)}
    return Candidates(np.arange(num_rows), columns)


def acquisition_of(option: str, *overrides: str) -> Acquisition:
    with initialize_config_dir(CONF, version_base="1.3"):
        acquisition: Acquisition = instantiate(
            compose(None, overrides=[f"+acquisition={option}", *overrides]).acquisition
        )
    return acquisition


def literal_coreset(candidates: Candidates, picks: int, rng: np.random.Generator) -> list[int]:
    """Sener and Savarese's Alg. 1 with a running minimum and one matrix-vector product for each pick."""
    centre_D = candidates.features_ND.mean(dim=0)
    x_ND, labelled_LD = candidates.features_ND - centre_D, candidates.labelled_features_LD - centre_D
    norms_N, nearest_N = (x_ND * x_ND).sum(dim=1), torch.full((len(x_ND),), torch.inf)
    chosen: list[int] = []
    for start in range(0, len(labelled_LD) + picks):
        fresh_D = labelled_LD[start] if start < len(labelled_LD) else x_ND[chosen[-1]]
        nearest_N = torch.minimum(nearest_N, norms_N - 2 * (x_ND @ fresh_D) + fresh_D.dot(fresh_D))
        nearest_N[chosen] = -1
        if start >= len(labelled_LD) - 1:
            chosen.append(int(nearest_N.argmax()))
    return chosen[:picks]


def literal_badge(candidates: Candidates, picks: int, rng: np.random.Generator) -> list[int]:
    """k-means++ seeding as the authors' newer code: factorised, two matrix-vector products for each pick."""
    return _seed([residual(candidates.logits_NC), candidates.features_ND], picks, rng)


def literal_pooled(candidates: Candidates, picks: int, rng: np.random.Generator) -> list[int]:
    """The same on pooled gradients, which are made from the full ones, some rows at a time."""
    height = min(16, candidates.logits_NC.shape[1])
    pooled = [
        torch.nn.functional.adaptive_avg_pool2d(
            torch.einsum("nc,nd->ncd", residual(z), h)[:, None], (height, 512 // height)
        )
        for z, h in zip(candidates.logits_NC.split(1000), candidates.features_ND.split(1000), strict=True)
    ]
    return _seed([torch.cat(pooled).flatten(1)], picks, rng)


def _seed(factors: Sequence[Tensor], picks: int, rng: np.random.Generator) -> list[int]:
    norms_N = torch.stack([(factor * factor).sum(dim=1) for factor in factors]).prod(dim=0)
    chosen = [int(norms_N.argmax())]
    nearest_N = torch.full_like(norms_N, torch.inf)
    while len(chosen) < picks:
        inner_N = torch.stack([factor @ factor[chosen[-1]] for factor in factors]).prod(dim=0)
        nearest_N = torch.minimum(nearest_N, (norms_N - 2 * inner_N + norms_N[chosen[-1]]).clamp(min=0))
        nearest_N[chosen] = 0
        cumulative_N = nearest_N.double().cumsum(0)
        chosen.append(int(torch.searchsorted(cumulative_N, rng.random() * float(cumulative_N[-1]), right=True)))
    return chosen


def literal_facility_location(candidates: Candidates, picks: int, rng: np.random.Generator) -> list[int]:
    """Naive greedy on the full matrix: the gain of every row at every pick."""
    unit_ND = torch.nn.functional.normalize(candidates.features_ND)
    like_NN = (unit_ND @ unit_ND.T).clamp_(min=0)
    best_N, chosen = torch.zeros(len(unit_ND)), []
    for _ in range(picks):
        gains = [(tile - best_N).clamp_(min=0).sum(dim=1, dtype=torch.float64) for tile in like_NN.split(500)]
        gains_N = torch.cat(gains)
        gains_N[chosen] = -1
        chosen.append(int(gains_N.argmax()))
        best_N = torch.maximum(best_N, like_NN[chosen[-1]])
    return chosen


def literal_fass(candidates: Candidates, picks: int, rng: np.random.Generator) -> list[int]:
    """Entropy's best, sorted, then naive greedy among them."""
    log_probs_NC = candidates.logits_NC.log_softmax(dim=1)
    entropy_N = -(log_probs_NC.exp() * log_probs_NC).sum(dim=1)
    kept = entropy_N.argsort(descending=True, stable=True)[: 5 * BUDGET].sort().values
    filtered = Candidates(np.arange(len(kept)), {"features": candidates.features_ND[kept]})
    chosen = literal_facility_location(filtered, picks, rng)
    return [int(row) for row in kept[chosen]]


CASES = {
    "badge_10k_c100": Case("badge", 10_000, 100, 0.15, literal_badge, BUDGET),
    "badge_50k": Case("badge", 50_000, 10, 0.4, literal_badge, BUDGET),
    "badge_200k": Case("badge", 200_000, 10, 2.0, literal_badge, 100),
    "badge_pooled_50k": Case("badge_pooled", 50_000, 10, 0.5, literal_pooled, BUDGET),
    "coreset_50k": Case("coreset", 50_000, 10, 0.7, literal_coreset, BUDGET),
    "facility_location_10k": Case("facility_location", 10_000, 10, 1.2, literal_facility_location, 10),
    "fass_10k": Case("fass", 10_000, 10, 0.12, literal_fass, 100),
}
RANDOM = ("badge", "badge_pooled")  # their picks follow the same law, not the same draws


def table_row(name: str, share: float, threads: int) -> str:
    torch.set_num_threads(threads)
    case = CASES[name]
    candidates = world(int(share * case.num_rows), case.num_classes)
    acquisition = acquisition_of(case.option)
    own_s, own_mib, rows = timed(acquisition, candidates, BUDGET)
    literal_s, literal_mib, literal_rows = measured(
        lambda: case.literal(candidates, case.literal_picks, np.random.default_rng(0)), 1
    )
    literal_s *= BUDGET / case.literal_picks
    same = sum(own == other for own, other in zip(rows.tolist(), literal_rows, strict=False))
    equal = "same law" if case.option in RANDOM else f"{same} of {case.literal_picks}"
    return (
        f"| {name} | {len(candidates):,} | {own_s:.3f} | {case.target_s} | {own_mib:.0f} | {literal_s:.2f} | "
        f"{literal_mib:.0f} | {literal_s / own_s:.0f}x | {equal} |"
    )


def timed(acquisition: Acquisition, candidates: Candidates, budget: int) -> tuple[float, float, np.ndarray]:
    """Returns median seconds of three, peak MiB of the first run, and the rows."""
    _, mib, _ = measured(lambda: acquisition.select(candidates, budget, np.random.default_rng(0)), 1)
    seconds, _, rows = measured(lambda: acquisition.select(candidates, budget, np.random.default_rng(0)), 3)
    return seconds, mib, rows


def grown(option: str, num_rows: int, threads: int, *overrides: str) -> tuple[float, float]:
    """Returns seconds and peak MiB of one acquisition among `num_rows` candidates."""
    torch.set_num_threads(threads)
    if option == "glister":
        case = glister_case(num_rows)
        seconds, mib, _ = timed(case.acquisition, case.candidates, BUDGET)
    else:
        seconds, mib, _ = timed(acquisition_of(option, *overrides), world(num_rows, 10), BUDGET)
    return seconds, mib


def growth_rows(option: str, share: float, threads: int) -> list[str]:
    """Returns time and memory against N, and the straight lines through them."""
    sizes = [max(BUDGET, int(share * number)) for number in GROWTH_ROWS]
    found = [alone(grown, option, number, threads) for number in sizes]
    return [*lines_of(option, sizes, found), fit_of(option, sizes, found, "N")]


def filter_rows(share: float, threads: int) -> list[str]:
    """Returns time and memory of FASS against the pairs F^2 of its filtered rows, and the straight lines."""
    name, num_rows = "fass, by its filter", max(BUDGET, int(share * FILTERED_OF))
    sizes = [max(BUDGET, int(share * number)) for number in FILTERED_ROWS]
    found = [alone(grown, "fass", num_rows, threads, f"acquisition.factor={number / BUDGET}") for number in sizes]
    return [*lines_of(name, sizes, found), fit_of(name, [number**2 for number in sizes], found, "F^2")]


def lines_of(name: str, sizes: list[int], found: list[tuple[float, float]]) -> list[str]:
    return [f"| {name} | {size:,} | {s:.3f} | {mib:.0f} |" for size, (s, mib) in zip(sizes, found, strict=True)]


def fit_of(name: str, sizes: list[int], found: list[tuple[float, float]], symbol: str) -> str:
    """Returns straight lines through seconds and MiB, and the exponent of the larger sizes."""
    seconds, memory = zip(*found, strict=True)
    slope, base = np.polyfit(sizes, seconds, 1)
    mib_slope, mib_base = np.polyfit(sizes, memory, 1)
    exponent = np.polyfit(np.log(sizes[2:]), np.log(seconds[2:]), 1)[0]
    time_fit = f"{base:.3f} s + {1e6 * slope:.3g} us {symbol} (exponent {exponent:.2f})"
    return f"| {name} | fit | {time_fit} | {mib_base:.0f} MiB + {2**20 * mib_slope:.3g} B {symbol} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="*", choices=[*CASES, *IMAGENET_CASES], default=None)
    parser.add_argument("--share", type=float, default=1.0, help="share of each case's rows, for a quick look")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--imagenet", action="store_true")
    parser.add_argument("--full-budget", action="store_true", help="with --imagenet: also for coreset and badge")
    parser.add_argument("--device", default=None, help="with --imagenet: an accelerator that holds the features")
    parser.add_argument("--store", type=Path, default=Path("outputs/imagenet_store"), help="with --imagenet: the maps")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, load {psutil.getloadavg()[0]:.1f}\n")
    if arguments.imagenet:
        imagenet_table(
            acquisition_of, arguments.cases, arguments.device, arguments.store, arguments.share, arguments.full_budget
        )
        return
    if arguments.growth:
        print("| case | N | s | MiB |\n|---|---|---|---|")
        for option in GROWTH_CASES:
            print("\n".join(growth_rows(option, arguments.share, arguments.threads)), flush=True)
        print("\n".join(filter_rows(arguments.share, arguments.threads)))
        return
    head = ["case", "N", "calrun s", "target s", "MiB", "literal s", "literal MiB", "ratio", "same picks"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in arguments.cases or CASES:
        print(alone(table_row, name, arguments.share, arguments.threads))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
