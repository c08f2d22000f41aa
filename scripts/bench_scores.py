"""Times the score-based acquisitions beside literal versions of the same formulas, in one process with equal threads.

`python scripts/bench_scores.py [--threads 2] [--cases glister batch_bald] [--share 0.1]` prints a Markdown table. Times
are medians of three; a literal version that picks one row after the other is timed on its first picks and scaled up.
Memory is the peak of the resident set above what was there before the first run, in a process of the case's own.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features, K Monte-Carlo samples, B batch.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from measured import alone, measured
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.base_balanced import BalancedSelection
from calrun.acquisition.batch_bald import BatchBald
from calrun.acquisition.entropy import Entropy
from calrun.acquisition.glister import Glister
from calrun.acquisition.margin import Margin

BUDGET, NUM_FEATURES, NUM_LABELLED = 500, 512, 1000
LITERAL_PICKS = 3  # GLISTER's literal version takes most of a second for each


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        acquisition: what is timed.
        candidates: what it selects from.
        budget: rows to select.
        target_s: seconds that must be reached on two quiet cores.
        literal: selects rows by the formula as published, given a number of picks.
        literal_picks: how many of the budget's picks the literal version is asked for.
    """

    acquisition: Acquisition
    candidates: Candidates
    budget: int
    target_s: float
    literal: Callable[[Candidates, int], list[int]]
    literal_picks: int


def features_and_head(num_rows: int, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns non-negative clustered features, their classes, and a head that is right about most of them."""
    generator = torch.Generator().manual_seed(0)
    centre_CD = torch.randn(num_classes, NUM_FEATURES, generator=generator)
    class_N = torch.randint(num_classes, (num_rows,), generator=generator)
    features_ND = torch.relu(centre_CD[class_N] + 2 * torch.randn(num_rows, NUM_FEATURES, generator=generator))
    return features_ND, class_N, 0.03 * centre_CD


def glister_case(num_rows: int) -> Case:
    features_ND, class_N, weight_CD = features_and_head(num_rows + NUM_LABELLED, 10)
    logits_NC = features_ND @ weight_CD.T
    columns = {"features": features_ND[:num_rows], "logits": logits_NC[:num_rows]}
    columns |= {"labelled_features": features_ND[num_rows:], "labelled_logits": logits_NC[num_rows:]}
    columns["labelled_targets"] = class_N[num_rows:]
    acquisition = Glister(1e-4, "pool", "sum", 1, {"name": "none", "weight": 0.0}, memory_gib=None)
    return Case(acquisition, Candidates(np.arange(num_rows), columns), BUDGET, 5.0, literal_glister, LITERAL_PICKS)


def literal_glister(candidates: Candidates, picks: int) -> list[int]:
    """GLISTER with the N x C (D + 1) gradients as a matrix and the validation gradient summed over all of them."""

    def gradients(features_ND: Tensor, logits_NC: Tensor, targets_N: Tensor) -> Tensor:
        residual_NC = logits_NC.softmax(dim=1) - F.one_hot(targets_N, logits_NC.shape[1])
        return (residual_NC[:, :, None] * with_one(features_ND)[:, None]).flatten(1)

    def with_one(features_ND: Tensor) -> Tensor:
        return torch.cat([features_ND, torch.ones(len(features_ND), 1)], dim=1)

    pool_NE = gradients(candidates.features_ND, candidates.logits_NC, candidates.logits_NC.argmax(dim=1))
    labelled = candidates.labelled_features_LD, candidates.labelled_logits_LC, candidates.labelled_targets_L
    features_VD = torch.cat([candidates.features_ND, labelled[0]])
    logits_VC = torch.cat([candidates.logits_NC, labelled[1]])
    targets_V = torch.cat([candidates.logits_NC.argmax(dim=1), labelled[2]])
    step_E = gradients(*labelled).sum(dim=0)
    picked: list[int] = []
    while True:
        logits_VC = logits_VC - 1e-4 * with_one(features_VD) @ step_E.view(logits_VC.shape[1], -1).T
        if len(picked) == picks:
            return picked
        gain_N = pool_NE @ gradients(features_VD, logits_VC, targets_V).mean(dim=0)
        gain_N[picked] = -torch.inf
        picked.append(int(gain_N.argmax()))
        step_E = pool_NE[picked[-1]]


def batch_bald_case(num_rows: int) -> Case:
    features_ND, _, weight_CD = features_and_head(num_rows, 10)
    generator = torch.Generator().manual_seed(1)
    masks_K1D = 2.0 * (torch.rand(20, 1, NUM_FEATURES, generator=generator) < 0.5)
    log_probs_KNC = torch.stack(
        [F.linear(features_ND * mask_1D, weight_CD).log_softmax(dim=1) for mask_1D in masks_K1D]
    )
    columns = {"mc_log_probs": log_probs_KNC.transpose(0, 1).contiguous()}
    acquisition = BatchBald(20, 1000, prefilter=None, lazy=True, memory_gib=None)
    return Case(acquisition, Candidates(np.arange(num_rows), columns), 10, 0.1, exhaustive_batch_bald, 10)


def exhaustive_batch_bald(candidates: Candidates, picks: int) -> list[int]:
    """BatchBALD that looks at every candidate for every pick, on the same random stream."""
    acquisition = BatchBald(20, 1000, prefilter=None, lazy=False, memory_gib=None)
    rows: list[int] = acquisition.select(candidates, picks, np.random.default_rng(0)).tolist()
    return rows


def base_case(num_rows: int) -> Case:
    features_ND, _, weight_CD = features_and_head(num_rows, 100)
    columns = {"logits": features_ND @ weight_CD.T, "head_weight": weight_CD}
    acquisition = BalancedSelection("pairwise", "class_major", memory_gib=None)
    return Case(acquisition, Candidates(np.arange(num_rows), columns), BUDGET, 0.03, literal_base, BUDGET)


def literal_base(candidates: Candidates, picks: int) -> list[int]:
    """BASE with the B x C x D differences of head rows, and every column sorted."""
    weight_CD, parts = candidates.head_weight_CD, []
    for logits_BC in torch.split(candidates.logits_NC, 128):
        top_B1, class_B1 = logits_BC.max(dim=1, keepdim=True)
        gap_BC = (weight_CD[class_B1] - weight_CD[None]).norm(dim=2)
        distance_BC = ((top_B1 - logits_BC) / gap_BC).scatter_(1, class_B1, torch.inf)
        parts.append(distance_BC.scatter(1, class_B1, distance_BC.amin(dim=1, keepdim=True)))
    picked: dict[int, None] = {}
    distance_NC = torch.cat(parts)
    for c in range(len(weight_CD)):
        quota = picks // len(weight_CD) + (c < picks % len(weight_CD))
        order = [i for i in distance_NC[:, c].sort(stable=True).indices.tolist() if i not in picked]
        picked |= dict.fromkeys(order[:quota])
    return list(picked)


def margin_case(num_rows: int) -> Case:
    return Case(Margin("prob", False, 0, None), confident_logits(num_rows), BUDGET, 0.05, literal_margin, BUDGET)


def entropy_case(num_rows: int) -> Case:
    return Case(Entropy(False, 0, None), confident_logits(num_rows), BUDGET, 0.05, literal_entropy, BUDGET)


def confident_logits(num_rows: int) -> Candidates:
    logits_NC = 3 * torch.randn(num_rows, 10, generator=torch.Generator().manual_seed(0))
    return Candidates(np.arange(num_rows), {"logits": logits_NC})


def literal_margin(candidates: Candidates, picks: int) -> list[int]:
    """Margin from all probabilities sorted, in batches of 1,000 as a loader would give them."""
    scores = []
    for logits_BC in torch.split(candidates.logits_NC, 1000):
        p_BC = logits_BC.softmax(dim=1).sort(dim=1, descending=True).values
        scores.append(p_BC[:, 0] - p_BC[:, 1])
    return torch.cat(scores).sort(stable=True).indices[:picks].tolist()


def literal_entropy(candidates: Candidates, picks: int) -> list[int]:
    """Entropy from probabilities, in batches of 1,000 as a loader would give them."""
    scores = []
    for logits_BC in torch.split(candidates.logits_NC, 1000):
        p_BC = logits_BC.softmax(dim=1)
        scores.append((p_BC * p_BC.log()).sum(dim=1))
    return torch.cat(scores).sort(stable=True).indices[:picks].tolist()


CASES: dict[str, tuple[Callable[[int], Case], int]] = {
    "glister": (glister_case, 10_000),
    "batch_bald": (batch_bald_case, 10_000),
    "base": (base_case, 10_000),
    "margin": (margin_case, 200_000),
    "entropy": (entropy_case, 200_000),
}


def table_row(name: str, share: float, threads: int) -> str:
    torch.set_num_threads(threads)
    build, num_rows = CASES[name]
    num_rows = int(share * num_rows)
    case = build(num_rows)

    def select() -> list[int]:
        rows: list[int] = case.acquisition.select(case.candidates, case.budget, np.random.default_rng(0)).tolist()
        return rows

    _, own_mib, _ = measured(select, 1)  # later runs reuse the memory of earlier ones
    own_s, _, rows = measured(select, 3)
    literal_s, literal_mib, literal_rows = measured(
        lambda: case.literal(case.candidates, case.literal_picks), 1 if name in ("glister", "batch_bald") else 3
    )
    literal_s *= case.budget / case.literal_picks
    same = sum(own == other for own, other in zip(rows, literal_rows, strict=False))
    return (
        f"| {name} | {num_rows:,} | {case.budget} | {own_s:.4f} | {case.target_s} | {own_mib:.0f} | {literal_s:.3f} | "
        f"{literal_mib:.0f} | {literal_s / own_s:.0f}x | {same} of {case.literal_picks} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--share", type=float, default=1.0, help="share of each case's rows, for a quick look")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    head = ["case", "N", "b", "calrun s", "target s", "MiB", "literal s", "literal MiB", "ratio", "same picks"]
    print(f"torch {torch.__version__}, {arguments.threads} threads, load {psutil.getloadavg()[0]:.1f}\n")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in arguments.cases:
        print(alone(table_row, name, arguments.share, arguments.threads))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
