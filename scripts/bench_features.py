"""The feature store: rows that pass the backbone, a sweep with and without it, a map of ImageNet's size, and a kill.

`sweep` plays acquisitions x seeds of method=linear_probe on Fashion-MNIST as a user types it, without the store and
with it, and counts the rows that the backbone sees. `rows` writes 1.28 million rows of 2,048 features in half
precision and reads them back, in order and as a fit does. `kill` lets two processes want the same features, kills the
one that computes them, and counts. Each prints a Markdown table.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measured import alone, measured

from calrun.dataset.base import Block, Source, StepRows
from calrun.feature_store.keep.kept import all_kept
from calrun.feature_store.memmap import Memmap
from calrun.look.predict import Predictor
from calrun.model.base import Classifier
from calrun.model.resnet18 import resnet18

ROWS, WIDTH, CLASSES = 1_281_167, 2_048, 1_000
LABELLED, BATCH = 30_000, 256
ACQUISITIONS = "random,margin,entropy,badge"
COUNTED = """
import atexit, os
from calrun.model.resnet18 import resnet18
seen = [0]
def note():
    with open(os.environ["SEEN"], "a") as file:
        file.write(f"{seen[0]}\\n")
def count(module, inputs):
    seen[0] += len(inputs[0])
atexit.register(note)
def make(num_classes, input_shape, width):
    net = resnet18(num_classes, input_shape, width)
    net.backbone.register_forward_pre_hook(count)
    return net
"""


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sweep", "rows", "kill"])
    parser.add_argument("--data", type=Path, default=Path("data"), help="where FashionMNIST lies (sweep)")
    parser.add_argument("--words", nargs="*", default=[], help="further KEY=VALUE of the sweep, such as scale=0.05")
    parser.add_argument("--seeds", default="0,1", help="of the sweep")
    parser.add_argument("--width", type=int, default=8, help="of the sweep's ResNet-18")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the map")
    parser.add_argument("--folder", type=Path, help="where the map goes; default: a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        if asked.what == "sweep":
            sweep(Path(folder), asked.data.resolve(), asked.words, asked.seeds, asked.width)
        elif asked.what == "rows":
            whole_map(Path(folder), asked.rows)
        else:
            kill(Path(folder), asked.rows)


def sweep(folder: Path, data: Path, words: list[str], seeds: str, width: int) -> None:
    """Plays the same sweep without the store, then with it."""
    (folder / "counted.py").write_text(COUNTED)
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "model" / "counted.yaml").write_text(f"# Counts.\n_target_: counted.make\nwidth: {width}\n")
    torch.manual_seed(0)
    torch.save(resnet18(10, (1, 28, 28), width).backbone.state_dict(), folder / "backbone.pt")
    print("| feature_store | rows through the backbone | whole command s | runs |")
    print("|---|---|---|---|")
    taken = {}
    for store in ("none", "memmap"):
        seconds, seen = played(folder, store, sweep_words(folder, data, words, seeds, store))
        runs = len([*(folder / store).rglob("rounds.jsonl")])
        taken[store] = seconds
        print(f"| {store} | {seen:,} | {seconds:.1f} | {runs} |")
    stored = sum(kept.said()["rows"] for kept in all_kept(folder / "features"))
    ratio = taken["none"] / taken["memmap"]
    print(f"\n{stored:,} rows in the store; without it the sweep takes {ratio:.1f} times as long")


def sweep_words(folder: Path, data: Path, words: list[str], seeds: str, store: str) -> list[str]:
    """Returns what a user types; training must not augment, or the store would be refused."""
    own = ["-m", "dataset=fmnist", f"paths.data={data}", "dataset.download=false", "model=counted", "trainer=cpu"]
    own += ["dataset.transform.crop_padding=0", "dataset.transform.flip=false", "method=linear_probe"]
    own += [f"method.start.path={folder}/backbone.pt", f"acquisition={ACQUISITIONS}", f"seed={seeds}"]
    budget = ["budget=counts", "budget.start=200", "budget.step=200", "budget.rounds=3", "trainer.max_epochs=10"]
    places = [f"paths.outputs={folder}/{store}", f"paths.features={folder}/features", f"feature_store={store}"]
    return ["--config-dir", f"{folder}/conf", *own, *budget, *places, *words]


def played(folder: Path, store: str, words: list[str]) -> tuple[float, int]:
    """Returns the seconds that a command takes, and the rows that its backbones have seen."""
    seen = folder / f"seen-{store}"
    begun = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "calrun", "run", *words],
        cwd=folder,
        env={**os.environ, "SEEN": str(seen)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if ended.returncode:
        sys.exit("the sweep failed")
    return time.perf_counter() - begun, sum(map(int, seen.read_text().split()))


class MadeUp(Source):
    """Rows that cost nothing: the same block of features again and again, each row with its number in front."""

    def __init__(self, num_rows: int, seconds_per_batch: float = 0.0) -> None:
        self.targets = np.arange(num_rows) % CLASSES
        self.block_BD = torch.randn(512, WIDTH, generator=torch.Generator().manual_seed(0))
        self.seconds_per_batch = seconds_per_batch

    def __len__(self) -> int:
        return len(self.targets)

    def checksum(self, start: int) -> int:
        return start

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        for start in range(0, len(rows), batch_size):
            time.sleep(self.seconds_per_batch)
            part = rows[start : start + batch_size]
            x = self.block_BD[: len(part)].clone()
            x[:, 0] = torch.from_numpy(part % CLASSES).float()
            yield part, x


def stored(folder: Path, num_rows: int, seconds_per_batch: float = 0.0) -> Source:
    """Returns the features of made-up rows, computed or read."""
    net = Classifier(torch.nn.Identity(), WIDTH, CLASSES)
    source = MadeUp(num_rows, seconds_per_batch)
    return Memmap(str(folder), "float16", "refuse").source(net, source, Predictor("cpu", "32-true", 512))


def whole_map(folder: Path, num_rows: int) -> None:
    """Writes a map, opens it, and reads it in order and as a fit does."""
    size = num_rows * WIDTH * 2 / 1e9
    print(f"{num_rows:,} x {WIDTH:,} float16, {size:.2f} GB\n\n| step | s | GB/s | peak MiB |\n|---|---|---|---|")
    for step, gigabytes in ((written, size), (read, size), (fitted, min(LABELLED, num_rows) * WIDTH * 2 / 1e9)):
        seconds, peak = alone(step, folder, num_rows)
        print(f"| {str(step.__doc__).rstrip('.')} | {seconds:.2f} | {gigabytes / seconds:.2f} | {peak:,.0f} |")


def written(folder: Path, num_rows: int) -> tuple[float, float]:
    """Pass, checksum and rename."""
    seconds, peak, _ = measured(lambda: len(stored(folder, num_rows)), 1)
    return seconds, peak


def read(folder: Path, num_rows: int) -> tuple[float, float]:
    """Open and read in order, as scoring does."""

    def run() -> None:
        source = stored(folder, num_rows)
        for part, x in source.batches(np.arange(num_rows), 512):
            if (x[:, 0].numpy() != part % CLASSES).any():
                sys.exit("what was read is not what was written")

    return measured(run, 1)[:2]


def fitted(folder: Path, num_rows: int) -> tuple[float, float]:
    """Open and read an epoch of 30,000 labelled rows in random order."""
    rows = np.random.default_rng(0).choice(num_rows, min(LABELLED, num_rows), replace=False)
    steps = [StepRows(rows[start : start + BATCH], rows[:0]) for start in range(0, len(rows), BATCH)]

    def run() -> None:
        for block in stored(folder, num_rows).blocks(steps, 0):
            for shot, _ in block.to(torch.empty(0).device):
                shot.x.sum()

    return measured(run, 1)[:2]


def kill(folder: Path, num_rows: int) -> None:
    """Starts two processes that want the same features and kills the one that computes them half-way."""
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench_features as b; "
    script += f"from pathlib import Path; b.stored(Path({str(folder)!r}), {num_rows}, 0.01)"
    first = subprocess.Popen([sys.executable, "-c", script])
    begun = time.perf_counter()
    while not (half := [kept.passed() for kept in all_kept(folder)]) or half[0] < num_rows / 2:
        if first.poll() is not None:
            sys.exit("the pass was over before the kill; take more rows")
        time.sleep(0.05)
    second = subprocess.Popen([sys.executable, "-c", script])
    time.sleep(5)  # it has come to wait
    (kept,) = all_kept(folder)
    first.send_signal(signal.SIGKILL)
    first.wait()
    left = num_rows - kept.passed()
    if second.wait():
        sys.exit("the process that waited failed")
    for part, x in stored(folder, num_rows).batches(np.arange(num_rows), 512):
        if (x[:, 0].numpy() != part % CLASSES).any():
            sys.exit("what was read is not what was written")
    seconds = time.perf_counter() - begun
    print("| rows | written at the kill | passed by the process that waited | both s | rows read back |")
    print(f"|---|---|---|---|---|\n| {num_rows:,} | {num_rows - left:,} | {left:,} | {seconds:.1f} | all right |")


if __name__ == "__main__":
    main()
