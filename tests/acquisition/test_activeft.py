"""ActiveFT: the gradient against autograd of the authors' loss, blobs, labelled centres.

Dimension key: N candidates, L labelled rows, B chosen rows, D features.
"""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.activeft import ActiveFT
from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.factors import Factor, Points


def rule(**changed: Any) -> ActiveFT:
    constants: dict[str, Any] = {"variant": "al", "temperature": 0.07, "balance": 1.0, "lr": 1e-3, "max_iter": 100}
    return ActiveFT(**(constants | {"batch_size": None, "memory_gib": None} | changed))


def released(features_ND: Tensor, centres_BD: Tensor, fixed_LD: Tensor, temperature: float, balance: float) -> Tensor:
    """yichen928/ActiveFT and ZiTingW/asvp, `get_loss`, as they are printed."""
    centroids = torch.cat([F.normalize(centres_BD), fixed_LD])
    prod_exp_pos, pos_k = torch.exp(features_ND @ centroids.T / temperature).max(dim=1)
    cent_prod_exp = torch.exp(centroids.detach() @ centroids.T / temperature)
    cent_prob_exp_sum = cent_prod_exp.sum(dim=0)
    return -torch.mean(torch.log(prod_exp_pos) - torch.log(prod_exp_pos + cent_prob_exp_sum[pos_k] * balance))


def toy(num_rows: int = 50, num_fixed: int = 6, num_centres: int = 8) -> tuple[Points, Tensor, Tensor]:
    generator = torch.manual_seed(0)
    pool_ND = F.normalize(torch.randn(num_rows + num_fixed, 5, dtype=torch.float64, generator=generator))
    centres_BD = torch.randn(num_centres, 5, dtype=torch.float64, generator=generator)
    return Points([Factor(pool_ND)], 7), centres_BD, pool_ND[num_rows:]


@pytest.mark.parametrize("balance", [1.0, 0.3])
def test_the_gradient_is_that_of_the_released_loss(balance: float) -> None:
    points, centres_BD, fixed_LD = toy()
    centres_BD.requires_grad_()
    released(points.factors[0].store_NF, centres_BD, fixed_LD, 0.07, balance).backward()
    with torch.no_grad():
        found_BD = rule(balance=balance).gradient(points, None, centres_BD, fixed_LD)
    torch.testing.assert_close(found_BD, centres_BD.grad)


def test_a_step_on_some_rows_looks_at_these_alone() -> None:
    points, centres_BD, fixed_LD = toy()
    rows = np.arange(3, 31)
    some = Points([Factor(points.factors[0].store_NF[3:31])], 7)
    wanted_BD = rule().gradient(some, None, centres_BD, fixed_LD)
    torch.testing.assert_close(rule().gradient(points, rows, centres_BD, fixed_LD), wanted_BD)


def test_the_loss_falls() -> None:
    points, centres_BD, fixed_LD = toy()
    unit_ND = points.factors[0].store_NF
    before = released(unit_ND, centres_BD, fixed_LD, 0.07, 1.0)
    settled_BD = rule(lr=0.01).settled(points, centres_BD, 50, np.random.default_rng(0))
    assert released(unit_ND, settled_BD, fixed_LD, 0.07, 1.0) < before


@pytest.mark.parametrize(("batch_size", "seed"), [(None, 2), (40, 1)])
def test_every_blob_gives_one_row(batch_size: int | None, seed: int) -> None:
    """From most beginnings: a blob where no centre begins may have to share one with its neighbour."""
    features_ND = torch.eye(6).repeat_interleave(9, dim=0) + 0.05 * torch.rand(54, 6, generator=torch.manual_seed(0))
    candidates = Candidates(np.arange(54), {"features": features_ND})
    chooses = rule(variant="pre", lr=0.05, batch_size=batch_size)
    rows = chooses.select(candidates, 6, np.random.default_rng(seed))
    assert sorted((rows // 9).tolist()) == [0, 1, 2, 3, 4, 5]


def test_a_single_row_is_near_the_mean_direction() -> None:
    generator = torch.manual_seed(0)
    features_ND = torch.tensor([2.0, 1.0, 0.0]) + 0.3 * torch.randn(80, 3, generator=generator)
    candidates = Candidates(np.arange(80), {"features": features_ND})
    row = int(rule(variant="pre", lr=0.02).select(candidates, 1, np.random.default_rng(0))[0])
    unit_ND = F.normalize(features_ND)
    cosine_N = unit_ND @ F.normalize(unit_ND.mean(dim=0), dim=0)
    assert cosine_N[row] >= cosine_N.topk(8).values[-1]


def test_labelled_blobs_are_left_alone() -> None:
    """Six blobs, of which three have a label: their centres stay there, and the new ones go elsewhere."""
    features_ND = torch.eye(6).repeat_interleave(9, dim=0) + 0.05 * torch.rand(54, 6, generator=torch.manual_seed(0))
    labelled = [0, 9, 18]
    rows = np.setdiff1d(np.arange(54), labelled)
    columns = {"features": features_ND[torch.from_numpy(rows)], "labelled_features": features_ND[labelled]}
    chosen = rule(lr=0.05).select(Candidates(rows, columns), 3, np.random.default_rng(0))
    assert sorted((chosen // 9).tolist()) == [3, 4, 5]


def test_duplicates_of_labelled_rows_are_still_distinct_rows() -> None:
    features_ND = torch.ones(10, 3)
    columns = {"features": features_ND, "labelled_features": features_ND[:4]}
    chosen = rule().select(Candidates(np.arange(10), columns), 5, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 5


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"acquisition\.variant wants pre or al"):
        rule(variant="both")
    with pytest.raises(ValueError, match=r"acquisition\.temperature wants a finite number above 0, got 0"):
        rule(temperature=0)
