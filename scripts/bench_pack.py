"""Runs of the paper's FMNIST setting side by side on one GPU: what each costs, and what all of them gain.

python scripts/bench_pack.py 1 4 8 [--data data] [--epochs 10]

Each run trains ResNet-18 for two rounds of CAL-ER with a fixed number of epochs: steps of 64 rows, then of 64 + 128. A
run's seconds are those that its own rounds.jsonl holds of its fits, so that starting Python does not count. `gain` is
what n runs side by side do in a second, over what one alone does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SETTING = (
    "dataset=fmnist", "method=cal_er", "acquisition=entropy", "trainer=gpu", "stop=fixed_epochs",
    "budget.rounds=2",
)  # fmt: skip
STEPS_PER_EPOCH = 55


def fit_seconds(number: int, words: list[str]) -> list[list[float]]:
    """Plays runs side by side; returns the seconds that each spent in the fits of its rounds."""
    with tempfile.TemporaryDirectory() as outputs:
        command = [sys.executable, "-m", "calrun.cli", "run", *words, f"paths.outputs={outputs}"]
        runs = [subprocess.Popen([*command, f"seed={seed}"], stdout=subprocess.DEVNULL) for seed in range(number)]
        if any([run.wait() for run in runs]):
            sys.exit("a run failed")
        lines = [path.read_text().splitlines() for path in sorted(Path(outputs).rglob("rounds.jsonl"))]
    return [[json.loads(line)["seconds"]["fit"] for line in run] for run in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="+", type=int, help="of runs side by side, such as 1 4 8")
    parser.add_argument("--data", default="data")
    parser.add_argument("--epochs", type=int, default=10)
    options, more = parser.parse_known_args()
    epochs = [f"trainer.max_epochs={options.epochs}", f"trainer.cal_epochs={options.epochs}"]
    words = [*SETTING, f"paths.data={options.data}", *epochs, *more]
    alone: list[float] = []
    print("runs  ms a step of 64  gain   ms a step of 192  gain")
    for number in options.numbers:
        steps = STEPS_PER_EPOCH * options.epochs
        plain, replay = (1000 * statistics.median(run) / steps for run in zip(*fit_seconds(number, words), strict=True))
        alone = alone or [number / plain, number / replay]
        gains = number / plain / alone[0], number / replay / alone[1]
        print(f"{number:4d}  {plain:15.2f}  {gains[0]:4.2f}x  {replay:16.2f}  {gains[1]:4.2f}x", flush=True)


if __name__ == "__main__":
    main()
