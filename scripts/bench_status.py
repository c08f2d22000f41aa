"""Seconds that `calrun status` takes over many runs, made of one small run that is played first.

python scripts/bench_status.py --runs 2000
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = ("model=mlp", "trainer=cpu", "trainer.max_epochs=2", "budget=counts", "budget.start=20", "budget.rounds=3")
FILES = ("config.yaml", "rounds.jsonl", "status.json", "metrics.csv", "picks.csv", "environment.json")
TIMES = 3


def make_runs(played: Path, experiment: Path, number: int) -> None:
    """Writes folders of runs: three quarters finished, some interrupted in round 2, and a tenth not begun."""
    experiment.mkdir(parents=True)
    names = [played.name.replace("-s0-", f"-s{seed}-") for seed in range(number)]
    (experiment / "sweep.json").write_text(json.dumps({"runs": names}))
    for seed, name in enumerate(names[: number * 9 // 10]):
        folder = experiment / name
        folder.mkdir()
        for file in FILES:
            shutil.copy(played / file, folder / file)
        if seed >= number * 3 // 4:
            (folder / "rounds.jsonl").write_text((played / "rounds.jsonl").read_text().splitlines()[0] + "\n")
            said = json.loads((played / "status.json").read_text()) | {"state": "running", "round": 2, "phase": "fit"}
            (folder / "status.json").write_text(json.dumps(said))


def main() -> None:
    """Prints the median of three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    command = [sys.executable, "-m", "calrun.cli"]
    with tempfile.TemporaryDirectory() as scratch:
        place = f"paths.outputs={scratch}/played"
        subprocess.run([*command, "run", *WORDS, place], check=True, capture_output=True)
        (played,) = [path.parent for path in Path(scratch).rglob("rounds.jsonl")]
        make_runs(played, Path(scratch, "many", "experiment"), runs)
        seconds = []
        for _ in range(TIMES):
            started = time.perf_counter()
            told = subprocess.run([*command, "status", f"{scratch}/many"], check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
    print(f"{runs} runs: {told.stdout.splitlines()[-1]}")
    print(f"{statistics.median(seconds):.1f} s (median of {TIMES}: {', '.join(f'{each:.1f}' for each in seconds)})")


if __name__ == "__main__":
    main()
