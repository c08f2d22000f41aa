"""The three partitioned acquisitions of Emam et al. 2021 against what App. A.3 says, written out.

Dimension key: N candidates, L labelled rows, C classes, D features, E entries of an embedding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.places import CONF

PARTS = 3
Choose = Callable[[Tensor, Tensor, int, np.random.Generator], list[int]]


def columns(number: int, labelled: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight_CD = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    made = {}
    for prefix, size in (("", number), ("labelled_", labelled)):
        features_ND = torch.randn(size, 6, generator=generator, dtype=torch.float64)
        made |= {f"{prefix}features": features_ND, f"{prefix}logits": features_ND @ weight_CD.T}
    return made


def in_parts(
    embedding_NE: Tensor, labelled_LE: Tensor, budget: int, rng: np.random.Generator, choose: Choose
) -> list[int]:
    """Random parts, ten in the paper: labelled rows are split like candidates, the first parts take the remainder."""
    parts_L = np.array_split(rng.permutation(len(labelled_LE)), PARTS)
    parts_N = np.array_split(rng.permutation(len(embedding_NE)), PARTS)
    picks: list[int] = []
    for i, (part_N, part_L) in enumerate(zip(map(sorted, parts_N), map(sorted, parts_L), strict=True)):
        share = budget // PARTS + (i < budget % PARTS)
        picks += [part_N[j] for j in choose(embedding_NE[part_N], labelled_LE[part_L], share, rng)]
    return picks


def squared(one_ME: Tensor, other_ME: Tensor) -> Tensor:
    return (one_ME[:, None] - other_ME).square().sum(dim=2)


def k_center(embedding_NE: Tensor, labelled_LE: Tensor, share: int, rng: np.random.Generator) -> list[int]:
    """The row farthest from all labelled and taken ones, again and again."""
    picks: list[int] = []
    for _ in range(share):
        nearest_N = squared(embedding_NE, torch.cat([labelled_LE, embedding_NE[picks]])).amin(dim=1)
        picks.append(int(nearest_N.argmax()))
    return picks


def k_means_plus_plus(together: int) -> Choose:
    """Draws in proportion to squared distances; proposals made together are thinned to the law of one by one."""

    def choose(embedding_NE: Tensor, labelled_LE: Tensor, share: int, rng: np.random.Generator) -> list[int]:
        picks: list[int] = []
        while len(picks) < share:
            weight_N = squared(embedding_NE, torch.cat([labelled_LE, embedding_NE[picks]])).amin(dim=1).numpy()
            number = min(together, share - len(picks))
            proposals = [
                int(np.searchsorted(weight_N.cumsum(), u * weight_N.sum(), "right")) for u in rng.random(number)
            ]
            taken: list[int] = []
            for i, needed in zip(proposals, rng.random(number), strict=True):
                true = min([weight_N[i], *squared(embedding_NE[[i]], embedding_NE[taken])[0].tolist()])
                if needed * weight_N[i] < true:
                    taken.append(i)
            picks += taken
        return picks

    return choose


def gradient(logits_NC: Tensor, features_ND: Tensor) -> tuple[Tensor, Tensor]:
    """p - y of the predicted class, and h: the gradient's two factors."""
    return logits_NC.softmax(dim=1) - F.one_hot(logits_NC.argmax(dim=1), logits_NC.shape[1]), features_ND


def product(factors: tuple[Tensor, Tensor]) -> Tensor:
    return torch.einsum("nc,nd->ncd", *factors).flatten(1)


def pooled(factors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Averages over neighbouring columns: 2 of p - y, and 4 of h."""
    return tuple(F.adaptive_avg_pool1d(x[:, None], size).squeeze(1) for x, size in zip(factors, (2, 4), strict=True))


def features(logits_NC: Tensor, features_ND: Tensor) -> Tensor:
    return features_ND


@pytest.mark.parametrize(
    ("option", "more", "embed", "choose"),
    [
        ("partitioned_coreset", [], features, k_center),
        ("partitioned_badge", ["mode=sequential"], lambda *z_h: product(gradient(*z_h)), k_means_plus_plus(1)),
        ("partitioned_badge", [], lambda *z_h: product(gradient(*z_h)), k_means_plus_plus(64)),
        (
            "partitioned_badge_pooled",
            ["pooled_size=8", "max_height=2"],
            lambda *z_h: product(pooled(gradient(*z_h))),
            k_means_plus_plus(64),
        ),
    ],
)
def test_picks_are_those_of_the_procedure_written_out(
    option: str, more: list[str], embed: Callable[..., Tensor], choose: Choose
) -> None:
    column: dict[str, Any] = columns(50, 13)
    words = [
        f"acquisition={option}",
        f"acquisition.partitions={PARTS}",
        *(f"acquisition.inner.{word}" for word in more),
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        acquisition = instantiate(compose("config", overrides=words).acquisition)
    rows = acquisition.select(Candidates(np.arange(100, 150), column), 11, np.random.default_rng(5))
    embeddings = [embed(column[f"{prefix}logits"], column[f"{prefix}features"]) for prefix in ("", "labelled_")]
    expected = in_parts(*embeddings, 11, np.random.default_rng(5), choose)
    assert rows.tolist() == [100 + i for i in expected]
