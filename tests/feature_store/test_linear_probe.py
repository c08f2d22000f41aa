"""A head trained on stored features: the same results as with the backbone in every fit, and one pass for a sweep."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

STORE = "feature_store=memmap"
ROWS, TESTS = 200, 1597


def runs(outputs: Path) -> dict[str, Path]:
    """The run folders below outputs: with the backbone's weights beside them if features were stored."""
    folders = [path.parent for path in outputs.rglob("config.yaml")]
    return {"stored" if (folder / "backbone.pt").exists() else "plain": folder for folder in folders}


@pytest.mark.parametrize("acquisition", ["margin", "badge", "coreset"])
def test_picks_and_metrics_are_those_without_the_store(
    calrun: Callable[..., Any],
    probe: tuple[str, ...],
    tmp_path: Path,
    result_of: Callable[[Path], tuple[list[dict[str, Any]], str]],
    acquisition: str,
) -> None:
    for store in ("feature_store=none", STORE):
        assert calrun("run", *probe, store, f"acquisition={acquisition}", "method.start.head_std=0.1").code == 0
    found = runs(tmp_path / "outputs")
    (plain, plain_picks), (stored, stored_picks) = (result_of(found[name]) for name in ("plain", "stored"))
    assert stored_picks == plain_picks
    for ours, theirs in zip(stored, plain, strict=True):
        assert ours["test"]["test"]["accuracy"] == theirs["test"]["test"]["accuracy"]
        assert ours["test"]["test"]["loss"] == pytest.approx(theirs["test"]["test"]["loss"], abs=1e-4)
        assert ours["steps"] == theirs["steps"]


def test_a_validation_split_held_out_of_the_pool_costs_no_pass_of_its_own(
    calrun: Callable[..., Any], counting: tuple[tuple[str, ...], Callable[[], int]], tmp_path: Path
) -> None:
    words, seen = counting
    more = ("method=linear_probe", "val_fraction=0.2", "stop=early_stopping", f"paths.features={tmp_path / 'features'}")
    answer = calrun(*words, *more, "dataset.transform.crop_padding=0", STORE)
    assert answer.code == 0, answer.err
    assert seen() == ROWS + TESTS


@pytest.mark.parametrize(
    "launcher", [(), pytest.param(("hydra/launcher=processes", "hydra.launcher.n_jobs=2"), marks=pytest.mark.slow)]
)
def test_a_sweep_passes_the_backbone_over_each_row_once(
    calrun: Callable[..., Any],
    counting: tuple[tuple[str, ...], Callable[[], int]],
    tmp_path: Path,
    launcher: tuple[str, ...],
) -> None:
    words, seen = counting
    sweep = ("-m", "acquisition=margin,entropy,random,badge", "seed=0,1", "method=linear_probe", STORE)
    more = (f"paths.features={tmp_path / 'features'}", "dataset.transform.crop_padding=0", "seed_set_seed=0")
    answer = calrun(*words, *sweep, *more, *launcher)
    assert answer.code == 0, answer.err
    assert len([*(tmp_path / "outputs").rglob("rounds.jsonl")]) == 8
    assert seen() == ROWS + TESTS


def test_a_finished_run_still_predicts_and_selects_from_pictures_without_store_and_checkpoint(
    calrun: Callable[..., Any], probe: tuple[str, ...], checkpoint: Path, tmp_path: Path
) -> None:
    pixels = load_digits().images[1000:1040].astype(np.uint8)
    np.savez(tmp_path / "new.npz", x=pixels)
    tables = {}
    for store in ("feature_store=none", STORE):
        assert calrun("run", *probe, store).code == 0
    folders = runs(tmp_path / "outputs")
    checkpoint.unlink()
    shutil.rmtree(tmp_path / "features")
    for name, folder in folders.items():
        out = tmp_path / f"{name}.csv"
        assert calrun("predict", str(folder), str(tmp_path / "new.npz"), "--out", str(out)).code == 0
        lines = [line.split(",") for line in out.read_text().splitlines()[1:]]
        tables[name] = np.array([[float(p) for p in line[2:]] for line in lines])
        wish = ("--acquisition", "margin", "--budget", "5")
        answer = calrun(
            "select", str(folder), str(tmp_path / "new.npz"), *wish, "--out", str(tmp_path / f"{name}-s.csv")
        )
        assert answer.code == 0, answer.err
    np.testing.assert_allclose(tables["stored"], tables["plain"], atol=1e-4)
    assert (tmp_path / "stored-s.csv").read_text() == (tmp_path / "plain-s.csv").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("method=al",), "phase 1 of the method trains all weights"),
        (("method=lp_ft",), "phase 2 of the method trains all weights"),
        (("method.start.path=null",), "another one in each round"),
        (("dataset.transform.crop_padding=1",), "training augments the rows"),
        (("acquisition=vaal",), "needs images"),
    ],
)
def test_what_features_cannot_stand_for_is_refused_before_anything_passes(
    refusal: Callable[..., str], probe: tuple[str, ...], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    if words[0].startswith("method="):
        probe = tuple(word for word in probe if not word.startswith("method"))
    assert said in refusal("run", *probe, STORE, *words)
    assert not (tmp_path / "features").exists()


def test_augmentation_can_be_left_out_on_purpose(
    calrun: Callable[..., Any], probe: tuple[str, ...], tmp_path: Path
) -> None:
    words = ("dataset.transform.crop_padding=1", "feature_store.augment=ignore", STORE)
    assert calrun("run", *probe, *words).code == 0


def test_a_plan_makes_no_pass(
    calrun: Callable[..., Any], counting: tuple[tuple[str, ...], Callable[[], int]], tmp_path: Path
) -> None:
    _, *words = counting[0]
    more = ("method=linear_probe", "dataset.transform.crop_padding=0", f"paths.features={tmp_path / 'features'}", STORE)
    answer = calrun("plan", *words, *more)
    assert answer.code == 0, answer.err
    assert not (tmp_path / "features").exists()
