"""Values are held against the types of what they go to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from omegaconf import DictConfig

from calrun.acquisition.base import Acquisition
from calrun.check.kinds import by_import, fits, wrong_kinds
from calrun.check.target import by_source
from calrun.folder.code import targets
from calrun.places import CONF, options

OBJECT = {"_target_": "calrun.acquisition.random.Random"}


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [0, -3], [1.5, True, None, "3", [3], {}]),
        (float, [0, 1.5], [False, None, "0.1", {}]),
        (bool, [True, False], [0, 1, "maybe", None]),
        (str, ["x"], [3, None, ["x"], {}]),
        (Sequence[str], [["x", 3]], [3, [None], [["x"]]]),
        (Path, ["x"], [3, None, ["x"]]),
        (int | None, [3, None], ["x", 1.0]),
        (Sequence[int], [[], [1, 2]], [3, "12", [1, "x"], None]),
        (Sequence[int | float], [[1, 0.5]], [["a"], 100]),
        (tuple[float, ...], [[0.9, 1]], [0.9, ["x"]]),
        (Mapping[str, int], [{"until": 3}], [3, [3]]),
        (Sequence[Mapping[str, int]], [[{"until": 3}]], [[1, 2], 3]),
        (Literal["sum", "mean"], ["sum"], ["max", 1, None]),
        (Literal[True, "warn"], [True, "warn"], [1, "x"]),
        (Acquisition, [OBJECT], ["entropy", 3]),
        (Callable[[int], float] | None, [OBJECT, None], ["cosine"]),
        (Any, [1, "x", None, [1], OBJECT], []),
    ],
)
def test_what_fits_a_declared_type(hint: Any, fitting: list[Any], others: list[Any]) -> None:
    assert [value for value in fitting if not fits(value, hint)] == []
    assert [value for value in others if fits(value, hint)] == []


@pytest.mark.parametrize("group", [group for group in options() if group not in ("hparams", "authors", "experiment")])
def test_every_option_of_calrun_has_values_of_its_own_types(group: str, configure: Callable[..., DictConfig]) -> None:
    for option in options()[group]:
        cfg = configure(f"{group}={option}", small=False)
        for told in (by_source, by_import):
            assert wrong_kinds(cfg, told) == []


def test_a_source_says_what_the_class_itself_does() -> None:
    """What it leaves open is never said otherwise; of a class of calrun it leaves little open."""
    for group in options():
        for target in targets(
            [yaml.safe_load((CONF / group / f"{name}.yaml").read_text()) for name in options()[group]]
        ):
            read, made = by_source(target), by_import(target)
            assert read.hints.items() <= made.hints.items(), target
            assert read.names in (None, made.names), target
    assert by_source("calrun.acquisition.badge.Badge").hints["memory_gib"] == float | None
