"""Cluster-Margin. Citovsky et al. 2021, "Batch Active Learning at Scale", Alg. 2.

Dimension key: N candidates, M uncertain rows, K clusters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.hierarchy import Hierarchy
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.dataset.read.archive import read_npz
from calrun.look.columns import Column
from calrun.look.sizes import Sizes
from calrun.machine.files import replace_file
from calrun.part.part import Part
from calrun.text.legal import one_of


class ClusterMargin(Acquisition):
    """Keeps the rows with the smallest margins, and takes one from each of their clusters in turn, small ones first.

    Args:
        margin: the acquisition that keeps the uncertain rows.
        clustering: groups all candidates.
        k_m_factor: rows kept for each row of the budget, k_m / budget; the paper takes 10, and 1.25 for a million.
        pick: which member of a cluster is taken: a `random` one (the paper) or the one with the smallest margin
            (`min_margin`).
        recluster: `every_round`, or `never` after the first time (the paper), which keeps the clusters of the first
            round's candidates as `clusters.npz` in the run's folder.
    """

    approximation = "a smaller acquisition.clustering.micro_clusters"

    def __init__(
        self,
        margin: Acquisition,
        clustering: Hierarchy,
        k_m_factor: float,
        pick: Literal["random", "min_margin"],
        recluster: Literal["every_round", "never"],
    ) -> None:
        if k_m_factor < 1:
            raise ValueError(f"acquisition.k_m_factor must be at least 1, got {k_m_factor}; 1 is margin sampling")
        one_of("acquisition.pick", pick, ("random", "min_margin"))
        one_of("acquisition.recluster", recluster, ("every_round", "never"))
        self.needs = margin.needs | {"features"} | ({"run_folder"} if recluster == "never" else set())
        self.num_mc_samples = margin.num_mc_samples
        self.classifies_rows = margin.classifies_rows
        self.margin = margin
        self.clustering = clustering
        self.k_m_factor = k_m_factor
        self.pick = pick
        self.recluster = recluster

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        uncertain = self.margin.select(candidates, int(np.ceil(self.k_m_factor * budget)), rng)
        cluster_of = self._cluster_of(candidates, rng)
        members: dict[int, list[int]] = {}
        for row in uncertain.tolist():
            members.setdefault(cluster_of[row], []).append(row)
        queues = [rng.permutation(np.sort(rows)) if self.pick == "random" else rows for rows in members.values()]
        return np.array(round_robin([list(queue) for queue in queues], budget), dtype=np.int64)

    def for_pixels(self) -> Acquisition:
        return ClusterMargin(self.margin.for_pixels(), self.clustering, self.k_m_factor, self.pick, self.recluster)

    def columns(self) -> dict[str, Column]:
        return self.margin.columns()

    def parts(self) -> dict[str, Part]:
        return self.margin.parts()

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of the margins, of the clusters, and of taking turns."""
        uncertain = sizes.with_budget(self.k_m_factor * sizes.budget)
        turns = Cost(sizes.candidates, 100.0 * sizes.candidates, 200.0 * sizes.candidates)
        return self.margin.cost(uncertain) + self.clustering.cost(sizes) + turns

    def _cluster_of(self, candidates: Candidates, rng: np.random.Generator) -> Mapping[int, int]:
        rows, own = candidates.rows, rng.spawn(1)[0]  # reading clusters leaves `rng` as making them does
        if self.recluster == "every_round":
            labels_N = self.clustering.clusters(candidates.features_ND, rows, own)
            return dict(zip(rows.tolist(), labels_N.tolist(), strict=True))
        path = candidates.run_folder / "clusters.npz"
        if not path.exists():
            labels_N = self.clustering.clusters(candidates.features_ND, rows, own)
            replace_file(path, lambda part: save(part, rows, labels_N))
        kept = read_npz(path, ["rows", "clusters"])
        known = dict(zip(kept["rows"].tolist(), kept["clusters"].tolist(), strict=True))
        missing = [row for row in rows.tolist() if row not in known]
        if missing:
            raise ValueError(
                f"{path} holds the clusters of {len(known)} rows, but not of row {missing[0]} and {len(missing) - 1} "
                "more; use acquisition.recluster=every_round"
            )
        return known


def save(path: Path, rows: np.ndarray, clusters: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, rows=rows, clusters=clusters)


def round_robin(queues: list[list[int]], budget: int) -> list[int]:
    """Returns the heads of the queues in turn: short queues first, among equally long ones that of the lowest row."""
    order = sorted(queues, key=lambda queue: (len(queue), min(queue)))
    longest = max((len(queue) for queue in order), default=0)
    turns = [queue[turn] for turn in range(longest) for queue in order if turn < len(queue)]
    return turns[: max(budget, 0)]
