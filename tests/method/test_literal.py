"""Whole runs equal plain PyTorch: weights, picks and work of three rounds, in double precision."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from tests.method import literal, literal_replay

OPTIONS = {  # where these options stand in a configuration
    "separate": "method.visit.forward_mode=separate",
    "joint": "method.visit.forward_mode=joint",
    "unscaled": "method.visit.lr_scale=none",
    "online": "method.objective.store_when=first_epoch_online",
    "weighted": "++method.objective.class_weights=inverse",
}
SETTING = (
    "model._target_=tests.method.literal.Net",
    f"model.hidden={literal.HIDDEN}",
    f"model.dropout={literal.DROPOUT}",
    f"seed={literal.SEED}",
    f"dataset.num_train={literal.NUM_TRAIN}",
    "dataset.transform={mean: [0.0], std: [1.0], crop_padding: 0}",
    f"budget.start={literal.SIZES[0]}",
    f"budget.step={literal.SIZES[1] - literal.SIZES[0]}",
    f"optimizer.lr={literal.LR}",
    "stop=fixed_epochs",
    f"trainer.batch_size={literal.BATCH}",
    f"trainer.max_epochs={literal.EPOCHS}",
    f"trainer.cal_epochs={literal_replay.CAL_EPOCHS}",
    "acquisition=entropy",
)
REPLAY = f"method.visit.replay_size={literal_replay.REPLAY}"
CHOOSE = f"method.visit.num_candidates={literal_replay.CANDIDATES}"
DER = (f"method.objective.alpha={literal_replay.ALPHA}", f"method.objective.beta={literal_replay.BETA}")
SD = (f"method.objective.alpha={literal_replay.ALPHA}",)
SUMMARY = (
    f"method.visit.choose.sigma={literal_replay.SIGMA}",
    f"method.visit.choose.uncertainty_weight={literal_replay.UNCERTAINTY_WEIGHT}",
)
RUNS: dict[str, tuple[Callable[[], literal.Al], tuple[str, ...]]] = {
    "al": (literal.Al, ()),
    "al weighted": (lambda: literal.Al(weighted=True), ()),
    "al_ws": (literal.AlWs, ()),
    "shrink_perturb": (literal.ShrinkPerturb, ()),
    "lp_ft": (literal.LpFt, (f"method.phases.0.stop.epochs={literal.PROBE_EPOCHS}",)),
    "cal_er": (literal_replay.Er, (REPLAY,)),
    "cal_er weighted": (lambda: literal_replay.Er(weighted=True), (REPLAY,)),
    "cal_er separate": (lambda: literal_replay.Er(joint=False), (REPLAY,)),
    "cal_er unscaled": (lambda: literal_replay.Er(scaled=False), (REPLAY,)),
    "cal_mir": (literal_replay.Mir, (REPLAY, CHOOSE)),
    "cal_der": (literal_replay.Der, (REPLAY, *DER)),
    "cal_der joint": (lambda: literal_replay.Der(joint=True), (REPLAY, *DER)),
    "cal_der online": (lambda: literal_replay.Der(online=True), (REPLAY, *DER)),
    "cal_der joint online": (lambda: literal_replay.Der(joint=True, online=True), (REPLAY, *DER)),
    "cal_sd": (literal_replay.Sd, (REPLAY, *SD)),
    "cal_sd joint online": (lambda: literal_replay.Sd(joint=True, online=True), (REPLAY, *SD)),
    "cal_sds2": (literal_replay.Sds2, (REPLAY, CHOOSE, *SD, *SUMMARY)),
}


@pytest.fixture(autouse=True)
def in_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves double precision as it is wherever calrun would narrow it, so that the last digits can be compared."""
    narrowed = torch.Tensor.float
    wide = {torch.float64}
    monkeypatch.setattr(torch.Tensor, "float", lambda x: x if x.dtype in wide else narrowed(x))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_the_literal_one(
    run: str, configure: Callable[..., DictConfig], play_in: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    make, overrides = RUNS[run]
    method, *options = run.split()
    cfg = configure(f"method={method}", *SETTING, *overrides, *(OPTIONS[option] for option in options))
    lines, expected = play_in(tmp_path, cfg), make().play()
    assert picks_in(tmp_path / "picks.csv") == expected.picks
    assert [(line["steps"], line["samples_forward"], line["samples_backward"]) for line in lines] == expected.work
    weights = torch.load(tmp_path / f"state-{len(lines)}.pt", weights_only=True)["net"].values()
    for found, wanted in zip(weights, expected.weights, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


def picks_in(path: Path) -> list[list[int]]:
    """The rows bought for each round, in the order of choice."""
    picks: dict[str, list[int]] = {}
    with path.open() as file:
        for line in csv.DictReader(file):
            picks.setdefault(line["round"], []).append(int(line["row"]))
    return list(picks.values())
