"""A run that several processes play: the picks and weights of one process, and what becomes of it when one dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calrun.parallel import world
from calrun.places import options

CODE = """
import time
import torch
from torch import nn
from calrun.method.objective import CrossEntropy

class Net(nn.Module):
    "Two layers in double precision."
    def __init__(self, num_classes):
        super().__init__()
        self.first = nn.Linear(64, 16).double()
        self.last = nn.Linear(16, num_classes).double()

    def forward(self, x):
        return self.last(torch.tanh(self.first(x.flatten(1).double())))

class Slow(CrossEntropy):
    def __call__(self, current, replay):
        time.sleep(0.05)
        return super().__call__(current, replay)
"""
PICK = """
import json, sys
from pathlib import Path
from hydra import compose, initialize_config_dir
from calrun.acquisition.kernel import factors
from calrun.experiment import build
from calrun.parallel import launch, world
from calrun.places import CONF

factors.LEAST_WORK = factors.LEAST_CENTRES = 0  # the other process takes a share of every pass
factors.MAX_BLOCK = 64
if launch.is_part():
    launch.join()
found = {}
for name in sys.argv[3:]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = sys.argv[2].split() + [f"acquisition={name}"]
        exp = build(compose("config", words))
    exp.pool.label(exp._choose_initial(Path(sys.argv[1])), 1)
    this_round = exp.round(1, Path(sys.argv[1]) / name)
    exp.method.begin_round(this_round)
    seen = exp.method.candidates(exp.acquisition, this_round)
    rng = this_round.rng("acquisition")
    found[name] = world.of_first(lambda: exp.acquisition.select(seen, this_round.budget, rng)).tolist()
print(json.dumps(found))
"""


@pytest.fixture
def own_net(small: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    """Words of a small run of CAL-ER with the network above."""
    (tmp_path / "doubled.py").write_text(CODE)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text("_target_: doubled.Net\n")
    return (*small, "model=mine", f"--config-dir={tmp_path / 'conf'}", "method=cal_er", "trainer.batch_size=17")


def command(tmp_path: Path, *words: str, **more: str) -> "subprocess.Popen[str]":
    path = f"{Path(__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        [sys.executable, "-m", "calrun.cli", "run", *words],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, **more}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run_in(outputs: Path) -> Path:
    (folder,) = [path.parent for path in outputs.glob("default/*/rounds.jsonl")]
    return folder


def test_two_processes_train_the_network_of_one(
    own_net: tuple[str, ...], tmp_path: Path, calrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In double precision, with replay, and an odd number of rows in the last step of an epoch."""
    monkeypatch.chdir(tmp_path)
    both = command(tmp_path, *own_net, "trainer.processes=2", "paths.outputs=both")
    alone = calrun("run", *own_net, "paths.outputs=alone")
    assert alone.code == 0, alone
    out, err = both.communicate()
    assert both.returncode == 0, err
    assert out.count("round  3/3") == 1
    folders = run_in(tmp_path / "both"), run_in(tmp_path / "alone")
    assert folders[0].name != folders[1].name  # BatchNorm, or dropout, would make another network
    picks = [[line.split(",")[:3] for line in (folder / "picks.csv").read_text().splitlines()] for folder in folders]
    assert picks[0] == picks[1]
    nets = [torch.load(folder / "state-3.pt", weights_only=True)["net"] for folder in folders]
    for name, weights in nets[0].items():
        assert weights.dtype == torch.float64
        torch.testing.assert_close(weights, nets[1][name], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_two_processes_pick_what_one_picks_from_the_same_weights(tmp_path: Path, small: tuple[str, ...]) -> None:
    """Every acquisition, in forward passes of the same rows: bit for bit."""
    (tmp_path / "pick.py").write_text(PICK)
    words = " ".join((*small, "model=cnn", "model.dropout=0.3", "val_fraction=0.1", "trainer.predict_batch_size=32"))
    names = [name for name in options("acquisition")["acquisition"] if name not in ("vaal", "vaal_emam", "regions")]
    path = f"{Path(__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}"
    alone = {"PYTHONPATH": path}
    places = {"CALRUN_PROCESSES": "2", "CALRUN_STORE": str(tmp_path / "store"), "PYTHONPATH": path}
    started = [
        subprocess.Popen(
            [sys.executable, "pick.py", str(tmp_path / number), words, *names],
            cwd=tmp_path, text=True,
            env={**os.environ, **(alone if number == "alone" else places | {"CALRUN_RANK": number})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in ("0", "1", "alone")
    ]  # fmt: skip
    answers = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], answers
    first, second, single = (json.loads(out.splitlines()[-1]) for out, _ in answers)
    assert first == second
    assert {name: rows for name, rows in first.items() if rows != single[name]} == {}


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["first", "other", "launcher"])
def test_a_run_of_two_processes_of_which_one_is_killed_goes_on(
    own_net: tuple[str, ...], tmp_path: Path, victim: str, result_of: Callable[[Path], Any]
) -> None:
    words = (*own_net, "trainer.processes=2", "stop=fixed_epochs", "trainer.max_epochs=20", "trainer.cal_epochs=20")
    slow = ("method.objective._target_=doubled.Slow", "trainer.checkpoint_every_seconds=0.5")
    unbroken = command(tmp_path, *words, "paths.outputs=unbroken")
    assert unbroken.wait() == 0, unbroken.communicate()
    broken = command(tmp_path, *words, *slow, "paths.outputs=broken")
    ranks = ranks_below(broken, tmp_path / "broken")
    os.kill({"first": ranks[0], "other": ranks[1], "launcher": broken.pid}[victim], signal.SIGKILL)
    _, err = broken.communicate(timeout=60)
    assert broken.returncode == {"first": 128 + 9, "other": 128 + 9, "launcher": -9}[victim], err
    assert ("process 1 of 2 was killed by SIGKILL" in err) == (victim == "other")
    assert "Traceback" not in err
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in ranks):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    again = command(tmp_path, *words, *slow, "paths.outputs=broken")
    assert again.wait() == 0, again.communicate()
    assert result_of(run_in(tmp_path / "broken")) == result_of(run_in(tmp_path / "unbroken"))


def ranks_below(launcher: "subprocess.Popen[str]", outputs: Path) -> list[int]:
    """The processes of a run, once it fits its second round, in their order."""
    deadline = time.monotonic() + 120
    while True:
        assert time.monotonic() < deadline
        assert launcher.poll() is None, launcher.communicate()
        for path in outputs.glob("default/*/status.json"):
            said = json.loads(path.read_text())
            if said.get("round") == 2 and said.get("phase") == "fit":
                children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
                found = sorted(map(int, children))
                return [said["pid"], *(pid for pid in found if pid != said["pid"])]
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("trainer.processes=0",), "trainer.processes wants a whole number from 1 on, got 0"),
        (("trainer.processes=two",), "trainer.processes wants a whole number from 1 on, got 'two'"),
    ],
)
def test_what_several_processes_cannot_do_is_said(
    refusal: Callable[..., str], small: tuple[str, ...], words: tuple[str, ...], reason: str
) -> None:
    assert reason in refusal("run", *small, *words)


def test_rows_are_shared_in_whole_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "size", lambda: 3)
    assert world.shares(10) == [4, 3, 3]
    assert world.shares(2) == [1, 1, 0]
    assert world.shares(100, multiple=32) == [64, 32, 4]
    assert world.shares(0) == [0, 0, 0]
    monkeypatch.setattr(world, "rank", lambda: 2)
    assert world.own([4, 3, 3]) == slice(7, 10)
