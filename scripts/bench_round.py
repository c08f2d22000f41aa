"""A round of linear evaluation at the shape of ImageNet, as a user types it: from stored features, beside `plan`.

1,281,167 made-up rows of 2,048 features and 1,000 classes stand in for a backbone's, 50,000 more for the validation
pictures. Each acquisition plays round 1 of Emam et al. 2021 (30,000 labels, setting C-II of their Table 3) and selects
10,000 rows, with the store filled before by `calrun features compute`. Prints a Markdown table of seconds by phase and
of the process's peak memory, and what `calrun plan` had said.

Dimension key: N rows, B rows of a batch, D features, C classes, R rows of noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from calrun.dataset.base import Block, Dataset, Source, StepRows

ROWS, TEST_ROWS, WIDTH, CLASSES = 1_281_167, 50_000, 2_048, 1_000
START, STEP = 30_000, 10_000
CENTRE, SCALE, NOISE_ROWS = 0.15, 0.1, 4_096
ACQUISITIONS = "margin,base_balanced,mase,badge_pooled,badge"
OPTION = "# Made-up features of ImageNet's shape.\n_target_: bench_round.load\nrows: {rows}\ntest_rows: {test_rows}\n"
PHASES = ("fit", "evaluate", "score", "select")


class MadeUp(Source):
    """Rows around the centres of their classes; each is made when it is asked for, and always the same.

    Args:
        num_rows: N.
        first: number of its first row, so that splits differ.
    """

    def __init__(self, num_rows: int, first: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.centre_CD = CENTRE * torch.randn(CLASSES, WIDTH, generator=generator)
        self.noise_RD = torch.randn(NOISE_ROWS, WIDTH, generator=generator)
        self.numbers_N = first + np.arange(num_rows)
        self.targets = self.numbers_N * 7919 % CLASSES

    def __len__(self) -> int:
        return len(self.targets)

    def checksum(self, start: int) -> int:
        return start ^ int(self.numbers_N[0])

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError("the head is trained on stored features")

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        for start in range(0, len(rows), batch_size):
            part_B = rows[start : start + batch_size]
            number_B = torch.from_numpy(self.numbers_N[part_B])
            turns = number_B // NOISE_ROWS
            noise_BD = self.noise_RD[number_B % NOISE_ROWS]
            for turn in turns.unique().tolist():  # each block of rows has the noise at other features
                noise_BD[turns == turn] = noise_BD[turns == turn].roll(turn, dims=1)
            centre_BD = self.centre_CD[torch.from_numpy(self.targets[part_B])]
            yield part_B, SCALE * (centre_BD + noise_BD).relu()


def load(rows: int, test_rows: int) -> Dataset:
    """Returns the data set, whose rows cost nothing until they pass the backbone."""
    names = [str(number) for number in range(CLASSES)]
    return Dataset(MadeUp(rows, 0), {"test": MadeUp(test_rows, ROWS)}, CLASSES, names, (WIDTH,))


def main() -> None:
    """Fills the store, then plays each acquisition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of ImageNet's rows and of the budgets")
    parser.add_argument("--acquisitions", default=ACQUISITIONS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the store goes (5 GB); default: a temporary folder")
    parser.add_argument("--words", nargs="*", default=[], help="further KEY=VALUE, such as trainer.max_epochs=2")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        table(Path(folder), asked.share, asked.acquisitions.split(","), asked.threads, asked.words)


def table(folder: Path, share: float, acquisitions: list[str], threads: int, own: list[str]) -> None:
    rows, test_rows = int(share * ROWS), int(share * TEST_ROWS)
    (folder / "conf" / "dataset").mkdir(parents=True)
    (folder / "conf" / "dataset" / "made_up.yaml").write_text(OPTION.format(rows=rows, test_rows=test_rows))
    words = ["--config-dir", f"{folder}/conf", *settings(folder, share, threads), *own]
    seconds, anonymous, peak = watched(folder, ["features", "compute", *words])
    print(f"{rows:,} rows stored as half precision in {seconds:.1f} s; {anonymous:.2f} GiB of memory of its own\n")
    print("| acquisition | accuracy | fit s | evaluate s | score s | select s | whole s | own GiB | with the map GiB |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in acquisitions:
        own_words = [f"acquisition={name}", f"paths.outputs={folder}/{name}"]
        seconds, anonymous, peak = watched(folder, ["run", *words, *own_words], folder / name)
        line = json.loads(first_line(folder / name) or "null")
        phases = " | ".join(f"{line['seconds'][phase]:.1f}" for phase in PHASES)
        accuracy = f"{line['test']['test']['accuracy']:.4f}"
        print(f"| {name} | {accuracy} | {phases} | {seconds:.1f} | {anonymous:.2f} | {peak:.2f} |", flush=True)
    for name in acquisitions:
        print(f"\nplan, {name}:", flush=True)
        subprocess.run([sys.executable, "-m", "calrun", "plan", *words, f"acquisition={name}"], env=ours(), check=True)


def settings(folder: Path, share: float, threads: int) -> list[str]:
    """Returns what a user types; the selection of round 1 wants a second round, which is not played."""
    start, step = int(share * START), int(share * STEP)
    budget = ["budget=counts", f"budget.start={start}", f"budget.step={step}", "budget.rounds=2"]
    head = [
        "model=linear",
        "method=linear_probe",
        "method.start.head_std=0.001",
        "val_fraction=0.1",
        "stop=early_stopping",
    ]
    head += ["stop.patience=30", "optimizer=sgd_step", "optimizer.lr=1", "optimizer.optimizer.weight_decay=1e-4"]
    head += ["optimizer.schedule.milestones=[20,40]", "+optimizer.schedule._partial_=false", "trainer.max_epochs=60"]
    head += ["trainer.batch_size=128"]
    store = ["feature_store=memmap", "feature_store.dtype=float16", "feature_store.augment=ignore"]
    return [
        "dataset=made_up",
        *head,
        *budget,
        *store,
        f"paths.features={folder}/features",
        "trainer=cpu",
        f"trainer.num_threads={threads}",
    ]


def first_line(outputs: Path) -> str | None:
    """Returns what round 1 has written once it is over."""
    written = [text for path in outputs.rglob("rounds.jsonl") if "\n" in (text := path.read_text())]
    return written[0].splitlines()[0] if written else None


def watched(folder: Path, words: list[str], outputs: Path | None = None) -> tuple[float, float, float]:
    """Returns the seconds of a command and its peaks in GiB: memory of its own, and with pages of the map.

    A run is ended once round 1 is over.
    """
    begun, peaks, over = time.perf_counter(), [0.0, 0.0], False
    log = (folder / "log.txt").open("a")
    child = subprocess.Popen([sys.executable, "-m", "calrun", *words], env=ours(), stdout=log, stderr=log)
    while child.poll() is None:
        for index, field in enumerate(("RssAnon", "VmRSS")):
            peaks[index] = max(peaks[index], resident(child.pid, field))
        if over := outputs is not None and first_line(outputs) is not None:
            child.terminate()
            child.wait()
        time.sleep(0.05)
    if child.returncode and not over:
        sys.exit((folder / "log.txt").read_text()[-3000:])
    return time.perf_counter() - begun, peaks[0], peaks[1]


def resident(process: int, field: str) -> float:
    """Returns a field of another process's status in GiB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith(f"{field}:")), 0.0)


def ours() -> dict[str, str]:
    """Returns the environment in which calrun finds this module."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


if __name__ == "__main__":
    main()
