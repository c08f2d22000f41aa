"""A fit of calrun against a bare PyTorch loop that takes the same steps on the same tensors.

Prints a Markdown table: seconds of each (medians of several runs in turn) and the ratio pair by pair.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from sklearn.datasets import load_digits
from torch import nn

from calrun.experiment import Experiment, build
from calrun.method.fit.fit import Fitter
from calrun.places import CONF
from calrun.round import Round
from calrun.training.trainer import silence_lightning

CASES = {  # name: overrides, rows, epochs
    "cnn, batch 128": (["model=cnn", "trainer.batch_size=128"], 8),
    "cnn, batch 20": (["model=cnn", "trainer.batch_size=20"], 4),
    "mlp 64-64-10, batch 20": (["model=mlp", "model.hidden=[64]", "trainer.batch_size=20"], 12),
}


def main() -> None:
    """Measures every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    silence_lightning()
    torch.set_num_threads(arguments.threads)
    print(
        f"torch {torch.__version__}, {arguments.threads} thread(s), medians of {arguments.runs} pairs in one process\n"
    )
    print("| case | steps | calrun s | bare loop s | ratio (min, median, max) |")
    print("|---|---|---|---|---|")
    for name, (overrides, epochs) in CASES.items():
        pairs = [measure(overrides, epochs) for _ in range(arguments.runs + 1)][1:]  # the first warms up
        ours, bare = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        ratios = sorted(pair[0] / pair[1] for pair in pairs)
        middle = statistics.median(ratios)
        print(f"| {name} | {pairs[0][2]} | {ours:.3f} | {bare:.3f} | {ratios[0]:.2f}, {middle:.2f}, {ratios[-1]:.2f} |")


def measure(overrides: list[str], epochs: int) -> tuple[float, float, int]:
    """Returns the seconds of our fit, of the bare loop, and the steps that both took."""
    with tempfile.TemporaryDirectory() as folder:
        exp = experiment(overrides, epochs, digits_five_times(Path(folder)))
        exp.pool.label(np.arange(len(exp.pool)), 1)
        this_round = Round(1, 1, 0, 0, exp.pool, Path(folder))
        exp.method.begin_round(this_round)
        fit = Fitter(TRAINER, 60, lambda *_: None)  # made once per run
        started = time.perf_counter()
        fit(exp.method, this_round)
        ours = time.perf_counter() - started
    return ours, bare_seconds(exp, epochs), exp.method.work.steps


def digits_five_times(folder: Path) -> Path:
    """Writes 8,985 pictures of 8x8 pixels, so that an epoch has as many steps as in a real round; returns the file."""
    digits = load_digits()
    x, y = (np.concatenate([array] * 5) for array in (digits.images[..., None].astype(np.float32), digits.target))
    np.savez(folder / "digits.npz", x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
    return folder / "digits.npz"


TRAINER = {"accelerator": "cpu", "devices": 1, "precision": "32-true"}


def experiment(overrides: list[str], epochs: int, path: Path) -> Experiment:
    """Returns a run whose one round visits the whole training set for a number of epochs."""
    base = ["dataset=npz", f"dataset.path={path}", "trainer=cpu", "stop=fixed_epochs"]
    options = [*base, f"trainer.max_epochs={epochs}", "trainer.num_threads=null", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return build(compose("config", overrides=options))


def bare_seconds(exp: Experiment, epochs: int) -> float:
    """Returns the seconds of the shortest loop that does the same: permute, gather, normalise, step."""
    method, source = exp.method, exp.data.train
    net: nn.Module = method.setup_.build_net().train()
    inputs, targets = source.inputs, torch.from_numpy(source.targets)
    mean, std = source.transform.mean.view(-1, 1, 1), source.transform.std.view(-1, 1, 1)
    optimizer, schedule = method.optimizer.build(net, epochs)
    batch_size, channels_last = method.setup_.batch_size, torch.channels_last
    net.to(memory_format=channels_last)
    started = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(targets)).split(batch_size):
            x = ((inputs[rows] - mean) / std).to(memory_format=channels_last)
            loss = F.cross_entropy(net(x).logits_BC, targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
