"""A fit that was interrupted and whose files were damaged since goes on as if they had never been."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.method.fit.fit import FitResult, Fitter

CPU = {"accelerator": "cpu", "devices": 1}
Configure = Callable[..., DictConfig]


class Killed(Exception):
    """Stands for the end of a process."""


def fitted(cfg: DictConfig, folder: Path, epochs: int = 10**9) -> tuple[dict[str, torch.Tensor], FitResult]:
    """Fits round 1 in a new process, so to speak, which ends after this many epochs; returns weights and result."""
    exp, seen = build(cfg), []
    this_round = next(exp.rounds(folder, after=0))
    exp.method.begin_round(this_round)

    def told(*_: object) -> None:
        seen.append(None)
        if len(seen) > epochs:
            raise Killed

    result = Fitter(CPU, 0.0, told)(exp.method, this_round)
    return exp.method.net.state_dict(), result


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """Changes one byte in the middle, which torch.load does not notice."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def other(path: Path) -> None:
    path.write_text("not a checkpoint at all")


damages = pytest.mark.parametrize("damage", [truncate, empty, flip, other])


CASES = {  # method, epochs before the end, the file, what is done without it
    "a fit's checkpoint": ("al", 2, "phase-0.ckpt", "the fit begins anew"),
    "the first phase's checkpoint": ("lp_ft", 2, "phase-0.ckpt", "the fit begins anew"),
    "the first phase's result": ("lp_ft", 5, "phase-0.done.pt", "this phase is trained again"),
    "the second phase's checkpoint": ("lp_ft", 5, "phase-1.ckpt", "the fit begins anew"),
}


@damages
@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_of_a_fit_costs_only_what_it_held(
    case: str,
    damage: Callable[[Path], None],
    configure: Configure,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    method, epochs, name, instead = CASES[case]
    three = ("trainer.max_epochs=3", "trainer.batch_size=8", "stop=fixed_epochs")
    cfg = configure(f"method={method}", *three, *(["method.phases.0.stop.epochs=3"] if method == "lp_ft" else []))
    weights, result = fitted(cfg, tmp_path / "unbroken")
    with pytest.raises(Killed):
        fitted(cfg, tmp_path / "broken", epochs)
    damage(tmp_path / "broken" / "round-1" / name)
    again, same = fitted(cfg, tmp_path / "broken")
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{name} cannot be read" in said
    assert said.endswith(instead)
    assert same.epochs == result.epochs
    assert all(torch.equal(again[key], weights[key]) for key in weights)
