"""How long the command takes before it does what it was asked for, against what cannot be avoided.

Prints a Markdown table: medians of several starts in turn, and the ratio of each pair.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CALRUN = [sys.executable, "-m", "calrun"]
SMALL = ["model=mlp", "trainer=cpu", "trainer.max_epochs=1", "budget=counts", "budget.start=20", "budget.rounds=1"]
LONG = ["trainer.max_epochs=100000", "stop=fixed_epochs"]
POLL_SECONDS = 0.002


def main() -> None:
    """Measures every pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    print(f"Python {sys.version.split()[0]}, medians of {runs} starts in turn\n")
    print("| start | s | over | s | ratio (min, median, max) |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        finished = [*CALRUN, "run", f"paths.outputs={folder}/finished", *SMALL]
        ended(finished)
        composed = ("`run --cfg job`", lambda: ended([*CALRUN, "run", "--cfg", "job", *SMALL]))
        trained = ("`import pytorch_lightning`", lambda: ended([sys.executable, "-c", "import pytorch_lightning"]))
        compare("`status`", lambda: ended([*CALRUN, "status", f"{folder}/finished"]), composed, runs)
        compare("a finished run", lambda: ended(finished), composed, runs)
        compare("the first fit begins", lambda: first_fit(Path(folder)), trained, runs)


def compare(name: str, start: Callable[[], float], baseline: tuple[str, Callable[[], float]], runs: int) -> None:
    """Prints a line of the table."""
    pairs = [(start(), baseline[1]()) for _ in range(runs + 1)][1:]  # the first fills the disk's cache
    ours, bare = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    ratios = sorted(pair[0] / pair[1] for pair in pairs)
    middle = statistics.median(ratios)
    print(f"| {name} | {ours:.2f} | {baseline[0]} | {bare:.2f} | {ratios[0]:.2f}, {middle:.2f}, {ratios[-1]:.2f} |")


def ended(command: list[str]) -> float:
    """Returns the seconds that a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def first_fit(folder: Path) -> float:
    """Returns the seconds until a new run is in its first fit, and ends the run.

    Raises:
        SystemExit: if the run ends before its first fit.
    """
    with tempfile.TemporaryDirectory(dir=folder) as outputs:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*CALRUN, "run", f"paths.outputs={outputs}", *SMALL, *LONG], stdout=subprocess.DEVNULL
        )
        while not any('"fit"' in path.read_text() for path in Path(outputs).rglob("status.json")):
            if process.poll() is not None:
                raise SystemExit(f"the run ended with {process.returncode} before its first fit")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - begun
        process.kill()
        process.wait()
    return seconds


if __name__ == "__main__":
    main()
