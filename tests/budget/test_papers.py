"""The grids of papers, summed up again: how many labels each round has, and how many there are in the end."""

from itertools import pairwise

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.places import CONF


def steps(option: str, pool_size: int) -> list[int]:
    """Returns the labels that each round adds."""
    sizes = instantiate(OmegaConf.load(CONF / "budget" / f"{option}.yaml")).sizes(pool_size)
    return [after - before for before, after in pairwise([0, *sizes])]


@pytest.mark.parametrize(
    ("option", "pool_size", "wanted", "rounds", "total"),
    [
        ("imagenet", 1_281_167, [10_000] * 10 + [50_000] * 6, 16, 400_000),  # Wen et al. 2024, Sec. 6.1
        ("cifar10_wen", 50_000, [200] * 10 + [500] * 8, 18, 6_000),
        ("cifar100_wen", 50_000, [400] * 15 + [2_000] * 7, 22, 20_000),
        ("pets", 3_680, [200] * 10, 10, 2_000),
        ("cifar10_wen_ablation", 50_000, [200] * 10, 10, 2_000),  # Sec. 6.5
        ("cifar100_wen_ablation", 50_000, [400] * 15, 15, 6_000),
        ("imagenet_9_rounds", 1_281_167, [10_000] + [10_000] * 9, 10, 100_000),  # App. F
        ("imagenet_45_rounds", 1_281_167, [10_000] + [2_000] * 45, 46, 100_000),
        ("imagenet_180_rounds", 1_281_167, [10_000] + [500] * 180, 181, 100_000),
        ("imagenet_900_rounds", 1_281_167, [10_000] + [100] * 900, 901, 100_000),
        ("imagenet_emam", 1_153_050, [30_000] + [10_000] * 7, 8, 100_000),  # Emam et al. 2021, Table 3
        ("imagenet_emam_table2", 1_268_355, [300_000] + [200_000] * 4 + [168_355], 6, 1_268_355),
        ("cifar10_emam", 49_500, [1_000] * 30, 30, 30_000),
        ("cifar10_ir10_emam", 20_227, [1_000] * 20, 20, 20_000),
        ("disal", 50_000, [5_000] + [2_500] * 6, 7, 20_000),  # DISAL supplement 2024, Table 2
        ("svhn", 73_257, [7_324] + [3_662] * 6, 7, 29_296),
        ("caltech101_tod", 7_766, [868] + [434] * 6, 7, 3_472),
        ("cifar10_ir100", 12_406, [1_000] + [500] * 6, 7, 4_000),
        ("cifar100_ir10", 19_573, [2_000] + [1_000] * 6, 7, 8_000),
    ],
)
def test_rounds_and_sums_are_the_papers(
    option: str, pool_size: int, wanted: list[int], rounds: int, total: int
) -> None:
    found = steps(option, pool_size)
    assert found == wanted
    assert (len(found), sum(found)) == (rounds, total)


def test_the_shares_of_table_2_are_those_that_it_prints() -> None:
    """Of the training pictures that are left beside 1 % for validation; of all of them they would be others."""
    sizes = instantiate(OmegaConf.load(CONF / "budget" / "imagenet_emam_table2.yaml")).sizes(1_268_355)
    assert 1_281_167 - round(0.01 * 1_281_167) == sizes[-1]
    assert [round(100 * size / sizes[-1]) for size in sizes] == [24, 39, 55, 71, 87, 100]
