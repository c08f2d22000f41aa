"""A pool of many reviews: encoded once, started again, scored and trained on; seconds, rows/s and anonymous memory.

The reviews are pieces of real ones, as long as these. Each case is a process of its own, whose memory is looked at from
outside (RssAnon: pages of files, such as the mapped tokens, do not count). Linux only.

    python scripts/bench_text.py ../shared/data/amazon_mdsd.parquet --rows 2000000
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

POLL_SECONDS = 0.01
ROWS_AT_ONCE = 50_000
NUM_TEST = 2_000
LENGTH = 1014  # VDCNN's characters
SCHEMA = pa.schema({"review": pa.string(), "stars": pa.string(), "split": pa.string()})
WRITERS = {"parquet": pyarrow.parquet.ParquetWriter, "csv": pyarrow.csv.CSVWriter}


def main() -> None:
    """Measures every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, help="Parquet with the columns title and text, whose lengths are taken")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the pool")
    parser.add_argument("--format", choices=WRITERS, default="parquet")
    parser.add_argument("--threads", type=int, default=2, help="of the network")
    parser.add_argument("--scored", type=int, default=20_000, help="rows that the network scores")
    parser.add_argument("--labels", type=int, default=2_000, help="rows that one epoch trains on")
    parser.add_argument("--folder", type=Path, help="where the pool and the cache lie for a while; 1.5 KB a row")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder, path = Path(name), Path(name) / f"pool.{given.format}"
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        mean = write(path, given.table, given.rows, given.format)
        size = path.stat().st_size / 2**30
        print(f"{given.rows:,} reviews of {mean:.0f} characters in the mean, {size:.2f} GiB of {given.format}\n")
        print("| case | seconds | rows/s | peak anonymous MiB |")
        print("|---|---|---|---|")
        show("calrun imported", 0, *apart(imported))
        show("all texts encoded", given.rows, *apart(started, path))
        show("second start", given.rows, *apart(started, path))
        scored = f"{given.scored:,} rows scored, VDCNN-9, {given.threads} threads"
        show(scored, given.scored, *apart(scores, path, given.scored, given.threads))
        trained = f"one epoch of {given.labels:,} labels, VDCNN-9, {given.threads} threads"
        show(trained, given.labels, *apart(round_of, path, given.labels, given.threads))


def show(name: str, rows: int, seconds: float, peak: int) -> None:
    """Prints a line of the table."""
    rate = f"{rows / seconds:,.0f}" if rows else ""
    print(f"| {name} | {seconds:.1f} | {rate} | {peak / 2**20:,.0f} |", flush=True)


def write(path: Path, table: Path, rows: int, kind: str) -> float:
    """Writes the pool, and NUM_TEST rows more as its test set; returns the mean length in characters."""
    columns = pd.read_parquet(table, columns=["title", "text"]).fillna("")
    texts = (columns["title"] + " " + columns["text"]).tolist()
    corpus, lengths = " ".join(texts), np.array([len(text) for text in texts])
    rng, total = np.random.default_rng(0), 0
    with WRITERS[kind](path, SCHEMA) as writer:
        for first in range(0, rows + NUM_TEST, ROWS_AT_ONCE):
            numbers = range(first, min(first + ROWS_AT_ONCE, rows + NUM_TEST))
            ends = rng.choice(lengths, len(numbers)).tolist()
            starts = rng.integers(0, len(corpus) - max(ends), len(numbers)).tolist()
            reviews = [
                f"{number} {corpus[start : start + max(1, end - len(str(number)) - 1)]}"
                for number, start, end in zip(numbers, starts, ends, strict=True)
            ]
            stars = np.array(["bad", "good"])[rng.integers(0, 2, len(numbers))]
            splits = ["train" if number < rows else "test" for number in numbers]
            total += sum(map(len, reviews))
            writer.write_table(pa.table([reviews, stars, splits], schema=SCHEMA))
    return total / (rows + NUM_TEST)


def apart(case: Callable[..., float], *arguments: Any) -> tuple[float, int]:
    """Returns what a case returns in a new process, its seconds, and the peak of its anonymous memory in bytes."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=sent, args=(sender, case, *arguments))
    process.start()
    peak = 0
    while process.is_alive() and not receiver.poll(POLL_SECONDS):
        peak = max(peak, *(anonymous(pid) for pid in family(process.pid)))
    seconds = receiver.recv()
    process.join()
    return seconds, peak


def sent(sender: Any, case: Callable[..., float], *arguments: Any) -> None:
    """Sends what a case returns."""
    sender.send(case(*arguments))


def family(pid: int | None) -> Iterator[int]:
    """Yields a process and those that it has started."""
    yield pid or 0
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in read(task).split():
            yield from family(int(child))


def anonymous(pid: int) -> int:
    """Returns the anonymous memory of a process in bytes, 0 if it has ended."""
    lines = [line for line in read(Path(f"/proc/{pid}/status")).splitlines() if line.startswith("RssAnon:")]
    return 1024 * int(lines[0].split()[1]) if lines else 0


def read(path: Path) -> str:
    """Returns a file of a process that may end at any time."""
    try:
        return path.read_text()
    except OSError:
        return ""


def imported() -> float:
    """Returns the seconds that the libraries of a run take."""
    begun = time.perf_counter()
    import calrun.experiment  # noqa: F401

    return time.perf_counter() - begun


def started(path: Path) -> float:
    """Returns the seconds until the data set is there."""
    import calrun.experiment  # noqa: F401 - as a run has it

    begun = time.perf_counter()
    loaded(path)
    return time.perf_counter() - begun


def loaded(path: Path) -> Any:
    """Returns the pool as a data set of characters."""
    from calrun.dataset.text_table import load

    return load(str(path), "review", "stars", "split", 0.2, None, "refuse", True, "characters", LENGTH, LENGTH, None)


def scores(path: Path, rows: int, threads: int) -> float:
    """Returns the seconds that VDCNN-9 takes to score rows of the pool, drawn from all of it."""
    import torch

    from calrun.look.predict import LOGITS, Predictor
    from calrun.model.vdcnn9 import vdcnn9
    from calrun.task.classification import Classification

    torch.set_num_threads(threads)
    data = loaded(path)
    net = vdcnn9(data.num_classes, data.input_shape, data.vocabulary, LENGTH)
    predictor = Predictor("cpu", "32-true", 256, False, Classification().reduced)
    drawn = np.sort(np.random.default_rng(0).choice(len(data.train), rows, replace=False))
    begun = time.perf_counter()
    predictor(net, data.train, drawn, LOGITS)
    return time.perf_counter() - begun


def round_of(path: Path, labels: int, threads: int) -> float:
    """Returns the seconds of the fit of one round that trains for one epoch, of `calrun run`."""
    words = [
        "dataset=text_table", f"dataset.path={path}", "dataset.text=review", "dataset.label=stars",
        "dataset.split=split", "model=vdcnn9", "trainer=cpu", f"trainer.num_threads={threads}",
        "trainer.batch_size=128", "trainer.max_epochs=1", "optimizer.lr=0.001", "budget=counts",
        f"budget.start={labels}", "budget.rounds=1", f"paths.outputs={path.parent / 'outputs'}",
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "calrun", "run", *words], check=True, stdout=subprocess.DEVNULL)
    (lines,) = (path.parent / "outputs").rglob("rounds.jsonl")
    return float(json.loads(lines.read_text())["seconds"]["fit"])


if __name__ == "__main__":
    main()
