"""Kills a run with SIGKILL at random moments, continues it each time, and compares it with the unbroken run.

python scripts/kill_test.py --kills 20 --methods al_ws cal_der cal_sds2

A kill is aimed at a phase (fit, evaluate, score, select, commit) of a random round: it comes a random time after the
run's status file names it, at most as long as the phase lasted in the unbroken run. The table says what the file named
at death.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

AIMS = {"fit": 8, "evaluate": 3, "score": 3, "select": 2, "commit": 4}  # how many of 20 kills are aimed at each phase
TIMES = ("seconds", "cumulative_fit_seconds", "peak_memory_bytes")
SETTINGS = (
    "dataset=digits",
    "model=cnn",
    "model.dropout=0.2",
    "trainer=cpu",
    "budget.start=60",
    "budget.step=60",
    "budget.rounds=8",
    "trainer.max_epochs=15",
    "trainer.cal_epochs=10",
    "trainer.predict_batch_size=16",  # passes that last long enough to be hit
    "trainer.checkpoint_every_seconds=0.1",
    "record.accuracy_by_round=true",
)
POLL_SECONDS = 0.0005
GIVE_UP_SECONDS = 600


@dataclass
class Outcome:
    """What the kills of one method's run hit, and whether it ended like the unbroken run.

    Args:
        hits: kills by the phase that the status file named.
        resumed: kills that left a checkpoint inside a round.
        differences: what differs between the two runs; empty if all is well.
    """

    method: str
    kills: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    rounds: set[int] = field(default_factory=set)
    differences: list[str] = field(default_factory=list)


def begin(method: str, outputs: Path) -> subprocess.Popen[str]:
    """Starts the run, or continues it."""
    command = [sys.executable, "-m", "calrun.cli", "run", *SETTINGS, f"method={method}", f"paths.outputs={outputs}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
    )


def finish(method: str, outputs: Path) -> Path:
    """Plays the run to its end and returns its folder.

    Raises:
        SystemExit: if the run fails.
    """
    process = begin(method, outputs)
    errors = process.communicate(timeout=GIVE_UP_SECONDS)[1]
    if process.returncode:
        raise SystemExit(f"{method}: the run ended with code {process.returncode}: {errors}")
    return folder_in(outputs)


def folder_in(outputs: Path) -> Path:
    """Returns the one run folder below `outputs`."""
    (path,) = outputs.rglob("status.json")
    return path.parent


def status(outputs: Path, pid: int) -> dict[str, Any]:
    """Returns what the living run says about itself; empty if it has said nothing yet."""
    for path in outputs.rglob("status.json"):
        said: dict[str, Any] = json.loads(path.read_text())
        if said["pid"] == pid:
            return said
    return {}


def wait_for(aim: tuple[int, str], outputs: Path, process: subprocess.Popen[str]) -> bool:
    """Waits until the run is in a phase of a round or of a later one; tells whether it got there before its end."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        said = status(outputs, process.pid)
        if said.get("round", 0) >= aim[0] and said.get("phase") == aim[1]:
            return True
        time.sleep(POLL_SECONDS)
    return False


def kill_once(outcome: Outcome, aim: tuple[int, str], delay: float, outputs: Path) -> bool:
    """Starts the run and kills it some time after it came to a phase of a round; tells whether it was still alive."""
    process = begin(outcome.method, outputs)
    reached = wait_for(aim, outputs, process)
    time.sleep(delay)
    if not reached or process.poll() is not None:
        process.communicate()
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    said = status(outputs, process.pid)
    outcome.kills += 1
    outcome.hits[said["phase"]] += 1
    outcome.rounds.add(said["round"])
    outcome.resumed += any(outputs.rglob(f"round-{said['round']}/phase-*"))
    return True


def rounds_of(folder: Path) -> list[dict[str, Any]]:
    """Returns the rounds of a run without times and memory, which no two runs share."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def compare(broken: Path, unbroken: Path) -> list[str]:
    """Returns what differs between two runs."""
    differences = []
    if rounds_of(broken) != rounds_of(unbroken):
        differences.append("rounds.jsonl")
    if (broken / "picks.csv").read_bytes() != (unbroken / "picks.csv").read_bytes():
        differences.append("picks.csv")
    left = sorted(path.name for path in broken.rglob(".*.part"))
    return differences + left


def play(method: str, kills: int, folder: Path, chance: random.Random) -> Outcome:
    """Plays a method unbroken, then killed `kills` times, and compares."""
    unbroken = finish(method, folder / "unbroken")
    lines = [json.loads(line) for line in (unbroken / "rounds.jsonl").read_text().splitlines()]
    lasted = {phase: median(line["seconds"].get(phase, 0.0) for line in lines[:-1]) for phase in AIMS}
    outcome, outputs = Outcome(method), folder / "broken"
    phases = chance.sample([phase for phase, count in AIMS.items() for _ in range(count)] * (kills // 20 + 1), kills)
    numbers = sorted(chance.randint(1, len(lines) - 2) for _ in range(kills))  # a kill may be late by a round
    for number, phase in zip(numbers, phases, strict=True):
        if not kill_once(outcome, (number, phase), chance.uniform(0, lasted[phase]), outputs):
            outcome.differences.append(f"the run ended after {outcome.kills} kills")
            break
        print(f"{method}: kill {outcome.kills} of {kills}, aimed at {phase} of round {number}", file=sys.stderr)
    outcome.differences += compare(finish(method, outputs), unbroken)
    return outcome


def table(outcomes: list[Outcome]) -> str:
    """Returns the outcomes as a Markdown table."""
    rows = [
        f"| method | kills | {' | '.join(AIMS)} | rounds hit | left a checkpoint | differences |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        hits = " | ".join(str(outcome.hits[phase]) for phase in AIMS)
        rows.append(
            f"| {outcome.method} | {outcome.kills} | {hits} | {len(outcome.rounds)} | {outcome.resumed} | "
            f"{', '.join(outcome.differences) or 'none'} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--methods", nargs="+", default=["al_ws", "cal_der", "cal_sds2"])
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    arguments = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for method in arguments.methods:
            chance = random.Random(f"{arguments.seed} {method}")
            outcomes.append(play(method, arguments.kills, Path(folder) / method, chance))
    print(table(outcomes))
    raise SystemExit(any(outcome.differences for outcome in outcomes))


if __name__ == "__main__":
    main()
