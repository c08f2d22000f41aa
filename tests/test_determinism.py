"""The same configuration gives the same picks and metrics; what must not matter does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

Result = Callable[[Path], Any]
PlayIn = Callable[..., list[dict[str, Any]]]
LATER = ("model=lenet", "model.channels=[2,2]", "model.hidden=8", "trainer.batch_size=8", "method.visit.replay_size=10")


@pytest.mark.parametrize("method", ["al", "cal_der", "cal_mir", "cal_sds2"])
def test_two_runs_agree_in_every_pick_and_metric(
    method: str, configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path, result_of: Result
) -> None:
    overrides = LATER[: 4 if method == "al" else 5]
    extra = ("method.visit.num_candidates=15",) if method in ("cal_mir", "cal_sds2") else ()
    cfg = configure(f"method={method}", *overrides, *extra)
    play_in(tmp_path / "first", cfg)
    torch.rand(7)  # whatever else a process has drawn
    np.random.default_rng(0)
    play_in(tmp_path / "second", cfg)
    assert result_of(tmp_path / "first") == result_of(tmp_path / "second")


def test_another_seed_gives_another_run(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path, result_of: Result
) -> None:
    play_in(tmp_path / "first", configure())
    play_in(tmp_path / "second", configure("seed=1"))
    assert result_of(tmp_path / "first") != result_of(tmp_path / "second")


def test_all_methods_play_the_same_first_round(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    """Same initial rows, weights, batches and augmentation: only what is stored afterwards costs more."""
    lines, picks = [], []
    for method in (
        "al",
        "al_ws",
        "finetune_new",
        "shrink_perturb",
        "cal_er",
        "cal_mir",
        "cal_der",
        "cal_sd",
        "cal_sds2",
    ):
        lines.append(play_in(tmp_path / method, configure(f"method={method}", "budget.rounds=2", "model=cnn"))[0])
        picks.append((tmp_path / method / "picks.csv").read_text())
    for line in lines[1:]:
        assert line["test"] == lines[0]["test"]
        assert line["train_accuracy"] == lines[0]["train_accuracy"]
        assert line["samples_backward"] == lines[0]["samples_backward"]
    assert set(picks) == {picks[0]}


def test_checkpoints_at_every_epoch_change_nothing(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path, result_of: Result
) -> None:
    cfg = configure("method=lp_ft", *LATER[:4])
    play_in(tmp_path / "never", cfg)
    play_in(tmp_path / "always", cfg, every=0.0)
    assert result_of(tmp_path / "never") == result_of(tmp_path / "always")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("method", ["al_ws", "cal_der", "cal_mir", "cal_sds2"])
def test_several_steps_in_a_block_are_the_steps_one_by_one(
    method: str, precision: str, configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    """Autocast keeps cast weights until told otherwise: a step would train on the weights of the one before it."""
    extra = ("method.visit.replay_size=10",) if method != "al_ws" else ()
    extra += ("method.visit.num_candidates=15",) if method in ("cal_mir", "cal_sds2") else ()
    small_batches = ("trainer.batch_size=4", "model=cnn", "model.width=4", "dataset.transform.crop_padding=0")
    cfg = configure(f"method={method}", f"trainer.precision={precision}", *small_batches, *extra)
    play_in(tmp_path / "together", cfg)
    play_in(tmp_path / "alone", cfg, prepare=lambda exp: setattr(exp.data.train, "steps_per_block", 1))
    assert torch.equal(last_weights(tmp_path / "alone"), last_weights(tmp_path / "together"))


def last_weights(folder: Path) -> torch.Tensor:
    """All weights and statistics of a run's last state in a row."""
    net = torch.load(folder / "state-3.pt", weights_only=True)["net"]
    return torch.cat([tensor.flatten().double() for tensor in net.values()])


@pytest.mark.parametrize("method", ["al_ws", "cal_der"])
def test_pictures_do_not_depend_on_the_number_of_workers(
    method: str,
    pictures: Path,
    configure: Callable[..., DictConfig],
    play_in: PlayIn,
    tmp_path: Path,
    result_of: Result,
) -> None:
    for workers in (0, 2):
        cfg = configure(
            "dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=12", "dataset.picture.resize=14",
            f"dataset.num_workers={workers}", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=2",
            "trainer.cal_epochs=1", "trainer.batch_size=8", "budget=counts", "budget.start=10", "budget.rounds=2",
            f"method={method}", small=False,
        )  # fmt: skip
        play_in(tmp_path / str(workers), cfg)
    assert result_of(tmp_path / "0") == result_of(tmp_path / "2")
