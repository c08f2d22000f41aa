"""The Lightning fits of a round."""

import signal
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import Experiment, build
from calrun.look.predict import Predictor
from calrun.method.fit.fit import FitResult, Fitter
from calrun.part.figures import EpochFigures
from calrun.round import Round

CPU = {"accelerator": "cpu", "devices": 1}
Configure = Callable[..., DictConfig]


def silent(*_: object) -> None:
    """A listener that does nothing."""


def begun(cfg: DictConfig, folder: Path) -> tuple[Experiment, Round]:
    """A run whose first round is about to be fitted."""
    exp = build(cfg)
    this_round = next(exp.rounds(folder, after=0))
    exp.method.begin_round(this_round)
    return exp, this_round


def fitted(cfg: DictConfig, folder: Path, every: float = 1e9, progress: Any = silent) -> tuple[Experiment, FitResult]:
    exp, this_round = begun(cfg, folder)
    return exp, Fitter(CPU, every, progress)(exp.method, this_round)


def weights(exp: Experiment) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in exp.method.net.parameters()])


def test_training_is_the_plain_loop_over_the_same_batches(configure: Configure, tmp_path: Path) -> None:
    """Momentum, weight decay and cosine schedule written out; no augmentation, so that x are the rows themselves."""
    cfg = configure("dataset.transform.crop_padding=0", "trainer.batch_size=8", "stop=fixed_epochs")
    exp, this_round = begun(cfg, tmp_path)
    net = exp.method.fresh_net(this_round).train()
    data, targets = exp.data.train, torch.from_numpy(exp.data.train.targets)
    optimizer = torch.optim.SGD(net.parameters(), cfg.optimizer.lr, momentum=0.9, weight_decay=5e-4)
    for epoch in range(2):
        for group in optimizer.param_groups:
            group["lr"] = cfg.optimizer.lr * (1 + torch.cos(torch.tensor(torch.pi * epoch / 2)).item()) / 2
        for step in exp.method.visit.epoch(this_round, epoch, 8):
            ((rows, x),) = data.batches(step.current, 100)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x).logits_BC, targets[rows]).backward()
            optimizer.step()
    Fitter(CPU, 1e9, silent)(exp.method, this_round)
    expected = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])
    torch.testing.assert_close(weights(exp), expected, atol=1e-6, rtol=1e-5)


def test_a_fit_ends_when_the_rule_says_so(configure: Configure, tmp_path: Path) -> None:
    seen: list[tuple[int, int, EpochFigures, int]] = []
    cfg = configure("trainer.max_epochs=50", "stop.threshold=0.5", "trainer.batch_size=4", "optimizer.lr=0.1")
    _, result = fitted(cfg, tmp_path, progress=lambda *told: seen.append(told))
    accuracies = [figures.train_accuracy for figures in result.epochs]
    assert result.stop_reason == "train accuracy 50 %"
    assert accuracies[-1] >= 0.5 > max(accuracies[:-1])
    assert result.train_accuracy == accuracies[-1]
    assert [number for number, *_ in seen] == list(range(1, len(accuracies) + 1))
    assert {most for _, most, *_ in seen} == {50}


def test_the_last_epoch_is_named_when_no_rule_stops_a_fit(configure: Configure, tmp_path: Path) -> None:
    _, result = fitted(configure(), tmp_path)
    assert (result.stop_reason, len(result.epochs)) == ("max epochs", 2)


def test_early_stopping_puts_the_best_weights_back(configure: Configure, tmp_path: Path) -> None:
    cfg = configure(
        "stop=early_stopping", "stop.patience=3", "val_fraction=0.5", "trainer.max_epochs=30", "optimizer.lr=1.0",
        "trainer.batch_size=4",
    )  # fmt: skip
    exp, result = fitted(cfg, tmp_path)
    accuracies = [figures.val_accuracy for figures in result.epochs]
    assert exp.method._val_accuracy() == max(a for a in accuracies if a is not None)
    assert accuracies[-1] != max(a for a in accuracies if a is not None)


def test_a_phase_of_the_head_leaves_the_backbone_alone(configure: Configure, tmp_path: Path) -> None:
    exp, this_round = begun(configure("method=linear_probe", "model=cnn", "model.width=2"), tmp_path)
    before = {name: tensor.clone() for name, tensor in exp.method.net.state_dict().items()}
    Fitter(CPU, 1e9, silent)(exp.method, this_round)
    changed = {n for n, tensor in exp.method.net.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {"head.weight", "head.bias"}  # frozen BatchNorm keeps its statistics, too


def test_two_phases_count_together_and_end_with_the_last_ones_reason(configure: Configure, tmp_path: Path) -> None:
    exp, result = fitted(configure("method=lp_ft", "method.phases.0.stop.epochs=3"), tmp_path)
    assert len(result.epochs) == exp.method.work.epochs == 3 + 2
    assert exp.method.work.steps == 5
    assert result.stop_reason == "max epochs"


def test_nothing_but_checkpoints_is_written(configure: Configure, tmp_path: Path) -> None:
    fitted(configure(), tmp_path / "never")
    assert not list((tmp_path / "never").rglob("*"))
    fitted(configure("method=lp_ft"), tmp_path / "always", every=0.0)
    names = {path.name for path in (tmp_path / "always").rglob("*") if path.is_file()}
    assert names == {"phase-0.ckpt", "phase-0.done.pt", "phase-1.ckpt"}


def test_a_checkpoint_is_tensors_and_numbers_and_comes_as_often_as_told(configure: Configure, tmp_path: Path) -> None:
    fitted(configure("trainer.max_epochs=4"), tmp_path, every=0.0)
    saved = torch.load(tmp_path / "round-1" / "phase-0.ckpt", weights_only=True)
    assert len(saved["callbacks"]["EpochKeeper"]["fit"]["history"]) == 3  # not after the last epoch, which ends the fit
    fitted(configure(), tmp_path / "later", every=3600)
    assert not (tmp_path / "later" / "round-1").exists()


def test_signals_keep_their_meaning_during_a_fit(configure: Configure, tmp_path: Path) -> None:
    """Lightning's own handler would end the process with code 0, and nobody would run the job again."""
    exp, this_round = begun(configure(), tmp_path)
    seen = []

    class Watched(type(exp.method.visit)):  # type: ignore[misc]
        def epoch(self, *arguments: Any) -> Any:  # the first batches are asked for before on_train_start
            seen.append(handlers())
            return super().epoch(*arguments)

    exp.method.visit.__class__ = Watched
    before = handlers()
    Fitter(CPU, 1e9, lambda *_: seen.append(handlers()))(exp.method, this_round)
    assert len(seen) == 4
    assert all(handler == before for handler in [*seen, handlers()])


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)]


def test_a_leftover_of_slurm_is_not_loaded(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under SLURM's variables Lightning would load an hpc_ckpt of its root folder and train zero steps."""
    expected = weights(fitted(configure(), tmp_path / "plain")[0])
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_JOB_NAME", "calrun")
    exp, this_round = begun(configure(), tmp_path / "slurm")
    this_round = replace(this_round, folder=tmp_path / "slurm" / "round-1")
    (tmp_path / "slurm").mkdir()
    torch.save({}, tmp_path / "slurm" / "hpc_ckpt_1.ckpt")
    Fitter(CPU, 1e9, silent)(exp.method, this_round)
    assert torch.equal(weights(exp), expected)
    assert exp.method.work.steps == 2


def test_a_process_that_plays_several_runs_forgets_the_ones_before(configure: Configure, tmp_path: Path) -> None:
    """Trainers and methods refer to each other, and objects that are frozen are not looked at by the collector."""
    gone = [weakref.ref(fitted(configure(), tmp_path / str(number))[0].method.net) for number in range(3)]
    Fitter(CPU, 1e9, silent)
    assert [net() for net in gone] == [None] * 3


class Slow(Predictor):
    """Takes its time."""

    def __call__(self, *arguments: Any) -> dict[str, torch.Tensor]:
        time.sleep(0.3)
        return super().__call__(*arguments)


@pytest.mark.parametrize(("method", "least"), [("cal_der", 0.3), ("cal_er", 0.0)])
def test_storing_targets_counts_as_training(method: str, least: float, configure: Configure, tmp_path: Path) -> None:
    exp, this_round = begun(configure(f"method={method}", "trainer.max_epochs=1"), tmp_path)
    exp.method.setup_.predictor = Slow("cpu", "32-true", 64)
    result = Fitter(CPU, 1e9, silent)(exp.method, this_round)
    assert least <= result.seconds
    stored = len(exp.method.objective.table) if least else 0
    assert stored == (20 if least else 0)
    assert exp.method.work.samples_forward == 20 + stored


def test_of_equal_validation_accuracies_the_last_epoch_is_kept(configure: Configure, tmp_path: Path) -> None:
    """At a rate this small no prediction changes, but the weights do."""
    setting = ("val_fraction=0.5", "trainer.max_epochs=3", "optimizer.lr=1e-7", "stop.max_epochs=3")
    exp, result = fitted(configure("stop=early_stopping", *setting), tmp_path / "best")
    assert len({figures.val_accuracy for figures in result.epochs}) == 1
    fixed = ("stop=fixed_epochs", *setting[:-1])
    assert torch.equal(weights(exp), weights(fitted(configure(*fixed), tmp_path / "last")[0]))


def test_the_seconds_of_all_phases_and_of_killed_attempts_count(configure: Configure, tmp_path: Path) -> None:
    cfg = configure("method=lp_ft", "method.phases.0.stop.epochs=2", "trainer.max_epochs=3", "stop=fixed_epochs")

    def slow(number: int, most: int, figures: EpochFigures, phase: int) -> None:
        time.sleep(0.2)
        if most == 3 and number == 2 and not killed:
            killed.append(number)
            raise KeyboardInterrupt

    killed: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fitted(cfg, tmp_path, every=0.0, progress=slow)
    _, result = fitted(cfg, tmp_path, every=0.0, progress=slow)
    assert len(result.epochs) == 5
    assert result.seconds >= 5 * 0.2
