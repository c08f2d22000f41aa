"""Facility location: the rows that best stand for all candidates, as an acquisition or for the initial labels.

Wei et al. 2015, "Submodularity in Data Subset Selection and Active Learning"; as an initial set: Beck et al. 2021,
"Effective Evaluation of Deep Active Learning on Image Classification Tasks", Sec. 4.6.

Dimension key: N candidates, R represented rows, D features.
"""

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost, one_pass
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.greedy import facility_location
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.per_class import select_per_class
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.similarity import Kernel, Similarity, row_bytes, too_many
from calrun.look.sizes import Sizes
from calrun.text.legal import at_least


class FacilityLocation(Acquisition):
    """Takes, one after the other, the row that most raises the sum of all candidates' best similarity to a taken row.

    Ties go to the lowest row, but rounding decides between gains that are equal only in exact arithmetic.

    Args:
        kernel: the similarity.
        class_conditional: gives each true class an equal share, chosen within the class (Beck et al.'s initial sets);
            reads the labels of all candidates.
        represented: number of random candidates to represent, an approximation for large pools; `None` represents all.
        memory_gib: limit for the similarity matrix in GiB, beyond which its rows are computed when needed; `None` takes
            a quarter of the free memory.
    """

    approximation = "acquisition.represented=10000, a random subset to stand for all"

    def __init__(
        self, kernel: Kernel, class_conditional: bool, represented: int | None, memory_gib: float | None
    ) -> None:
        at_least(1, "acquisition", represented=represented)
        self.needs = frozenset({"features", "oracle"} if class_conditional else {"features"})
        self.kernel = kernel
        self.class_conditional = class_conditional
        self.represented = represented
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND = candidates.features_ND
        refuse_broken_features(features_ND, candidates.rows)

        def within(members: np.ndarray, quota: int) -> np.ndarray:
            if quota == 0:
                return members[:0]
            everyone = self.represented is None or self.represented >= len(members)
            subset = None if everyone else np.sort(rng.choice(len(members), self.represented, replace=False))
            whole = len(members) == len(features_ND)
            chosen_ND = features_ND if whole else features_ND[torch.from_numpy(members).to(features_ND.device)]
            return facility_location(Similarity(self.kernel, chosen_ND, subset, None, self.memory_gib), quota)

        if self.class_conditional:
            picks = select_per_class(candidates.oracle_N.cpu().numpy(), budget, within)
        else:
            picks = within(np.arange(len(candidates)), budget)
        rows: np.ndarray = candidates.rows[picks]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N R D for the similarities and N R ln b for the choice, of each class if `class_conditional`."""
        parts = sizes.classes if self.class_conditional else 1
        part = sizes.share(parts, 0)
        represented = min(self.represented or part.candidates, part.candidates)
        work = kernel_cost.facility_location(
            part.candidates,
            represented,
            part.features,
            part.bought,
            limit_bytes(self.memory_gib, sizes.device),
            self.kernel.functions,
        )
        work += kernel_cost.chunks(row_bytes(represented), self.memory_gib, sizes)
        return one_pass(self.wanted(), sizes) + work.times(parts) + Cost(refusal=too_many(part.candidates, represented))
