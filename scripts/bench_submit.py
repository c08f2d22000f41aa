"""Jobs of a SLURM: what a run costs beside its rounds, alone in its job and packed with others.

python scripts/slurm.py up; . /tmp/calrun-slurm-27400/env.sh; python scripts/bench_submit.py --runs 16 --pack 8

Short runs of digits, one job at a time on each node. `first step`: from the command's end to the first step of any run.
`a run`: wall time of all, times the jobs that run at once, over the runs. `its rounds`: the mean of what the runs' own
rounds.jsonl hold.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = (
    "model=mlp", "trainer=cpu", "trainer.max_epochs=10", "budget=counts", "budget.start=20", "budget.rounds=3",
    "experiment_name=bench", "gpus_per_node=0", "side_by_side=false",
)  # fmt: skip
AT_ONCE = 2  # one job on each node


def rounds_of(outputs: Path) -> list[list[dict[str, dict[str, float]]]]:
    files = outputs.glob("bench/*/rounds.jsonl")
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def first_step(outputs: Path) -> float | None:
    """Returns when the first of the finished rounds began, in seconds of the clock."""
    begun = []
    for file in outputs.glob("bench/*/rounds.jsonl"):
        seconds = json.loads(file.read_text().splitlines()[0])["seconds"]
        begun.append(file.stat().st_mtime - sum(seconds.values()))
    return min(begun, default=None)


def measured(number: int, pack: int, cpus: int) -> tuple[float, float, float, float]:
    """Returns the seconds of the command, to the first step, of a run, and of its rounds."""
    with tempfile.TemporaryDirectory() as folder:
        outputs, first = Path(folder), None
        words = [*WORDS, f"seed=range({number})", f"pack={pack}", f"cpus_per_task={cpus}", f"paths.outputs={folder}"]
        begun = time.time()
        subprocess.run([sys.executable, "-m", "calrun.cli", "submit", *words], check=True, stdout=subprocess.DEVNULL)
        sent = time.time()
        while sum(len(run) == 3 for run in rounds_of(outputs)) < number:
            first = first or first_step(outputs)
            time.sleep(0.1)
        ended = time.time()
        spent = [sum(sum(line["seconds"].values()) for line in run) for run in rounds_of(outputs)]
        return sent - begun, (first or ended) - sent, (ended - sent) * AT_ONCE / number, sum(spent) / number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--pack", type=int, default=8)
    parser.add_argument("--cpus", type=int, default=4, help="of a node, so that it runs one job at a time")
    options = parser.parse_args()
    print("pack  submit s  first step s  a run s  its rounds s")
    for pack in (1, options.pack):
        figures = measured(options.runs, pack, options.cpus)
        print(f"{pack:4d}  {figures[0]:8.1f}  {figures[1]:12.1f}  {figures[2]:7.1f}  {figures[3]:12.2f}", flush=True)


if __name__ == "__main__":
    main()
