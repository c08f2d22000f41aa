"""Ends runs by every signal at every instant, continues each, and compares it with the unbroken run.

python scripts/kill_matrix.py --modes resident streamed

This process imports everything once and forks a child for every command. A signal comes at the very beginning of the
instant and, in a second case, a random time after it. It goes to the whole group of the child, as a terminal's and a
scheduler's do; KILL goes to the child alone, which must not leave its workers behind. The same command then continues
the run in another child.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import numpy as np
import torch
from forked import Ending, played
from PIL import Image

import calrun

SMALL = (
    "trainer=cpu", "trainer.max_epochs=3", "trainer.cal_epochs=3", "trainer.batch_size=8", "stop=fixed_epochs",
    "trainer.checkpoint_every_seconds=0", "budget=counts", "budget.start=20", "budget.step=20", "budget.rounds=3",
)  # fmt: skip
DIGITS = ("dataset=digits", "dataset.num_train=200", "model=mlp", *SMALL)
MODES = {
    "resident": (*DIGITS, "method=al_ws"),
    "streamed": (
        "dataset=image_folder", "dataset.root=PICTURES", "dataset.picture.size=8", "dataset.picture.resize=8",
        "dataset.num_workers=1", "model=mlp", *SMALL, "trainer.max_epochs=2", "method=al_ws",
    ),
    "two-phase": (*DIGITS, "method=lp_ft", "method.phases.0.stop.epochs=3"),
    "stored targets": (*DIGITS, "method=cal_der"),
    "inner fit": (
        *DIGITS, "acquisition=vaal", "acquisition.nets.width=4", "acquisition.nets.hidden_width=8",
        "acquisition.nets.latent_dim=4", "acquisition.nets.epochs=3", "acquisition.nets.batch_size=32",
    ),
}  # fmt: skip
INSTANTS = {  # what begins then, and which of its calls in an unbroken run is in round 2
    "build": ("calrun.play:build", 1),
    "start of fit": ("pytorch_lightning:Trainer._run_stage", 2),
    "epoch": ("calrun.method.fit.module:FitModule.training_step", 3),
    "evaluate": ("calrun.loop:evaluate", 2),
    "score": ("calrun.method.composed:Composed.candidates", 2),
    "select": ("calrun.acquisition.entropy:Entropy.select", 2),
    "commit": ("calrun.folder.record:Record.save", 2),
}
ELSEWHERE = {  # modes with two fits a round, or with fits of the acquisition
    ("two-phase", "start of fit"): (INSTANTS["start of fit"][0], 4),
    ("inner fit", "start of fit"): (INSTANTS["start of fit"][0], 4),
    ("inner fit", "epoch"): ("calrun.acquisition.kernel.vaal_nets:AdversarialPair.training_step", 20),
    ("inner fit", "select"): ("calrun.acquisition.vaal:Vaal.select", 2),
}
SIGNALS = ("TERM", "INT", "USR2", "KILL")
LATE = "the run ended before the signal"
LONGEST_DELAY_SECONDS = 0.15
TIMES = ("seconds", "cumulative_fit_seconds", "peak_memory_bytes")


@dataclass(frozen=True)
class Case:
    """One interruption.

    Args:
        delay: seconds between the beginning of the instant and the signal.
    """

    mode: str
    sent: str
    instant: str
    delay: float

    def __str__(self) -> str:
        return f"{self.mode}, {self.sent} at {self.instant} + {self.delay:.3f} s"


def send(sent: str) -> None:
    """Sends a signal to this process and its children, KILL to this process alone."""
    if sent == "KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    os.killpg(0, getattr(signal, f"SIG{sent}"))


def arm(case: Case) -> None:
    """Makes the call that the case names send its signal."""
    where, nth = ELSEWHERE.get((case.mode, case.instant), INSTANTS[case.instant])
    module, path = where.split(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    inner, calls = getattr(owner, name), Counter[str]()

    def called(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        if calls[name] == nth and case.delay:
            threading.Timer(case.delay, send, (case.sent,)).start()
        elif calls[name] == nth:
            send(case.sent)
        return inner(*args, **kwargs)

    setattr(owner, name, called)


def result_of(outputs: Path) -> tuple[list[dict[str, Any]], bytes, dict[str, Any]]:
    """Returns what must not depend on an interruption: rounds, picks and the last state."""
    (lines,) = outputs.rglob("rounds.jsonl")
    rounds = [json.loads(line) for line in lines.read_text().splitlines()]
    rounds = [{key: value for key, value in line.items() if key not in TIMES} for line in rounds]
    saved = torch.load(lines.parent / f"state-{len(rounds)}.pt", weights_only=True)
    return rounds, (lines.parent / "picks.csv").read_bytes(), dict(tensors_of(saved))


def tensors_of(saved: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yields every tensor of a state by its dotted name."""
    for name, value in saved.items():
        if isinstance(value, Mapping):
            yield from tensors_of(value, f"{where}{name}.")
        elif isinstance(value, torch.Tensor):
            yield f"{where}{name}", value


def same(ours: Any, theirs: Any) -> bool:
    """Compares two results bit for bit."""
    tensors = ours[2].keys() == theirs[2].keys() and all(torch.equal(ours[2][key], theirs[2][key]) for key in ours[2])
    return bool(ours[:2] == theirs[:2] and tensors)


def faults_of_the_end(case: Case, ending: Ending) -> list[str]:
    """Returns what is wrong with how an interrupted run has ended."""
    faults = [f"{len(ending.orphans)} orphans"] if ending.orphans else []
    if "Traceback" in ending.out + ending.err or "ignored" in ending.err:
        faults.append(f"a traceback: {ending.err}")
    lines = ending.err.splitlines()
    if case.sent == "KILL":
        return faults + [f"{wrong} at KILL" for wrong in (ending.code, lines) if wrong not in (-signal.SIGKILL, [])]
    signum = getattr(signal, f"SIG{case.sent}")
    if ending.code != 128 + signum:
        faults.append(f"code {ending.code}")
    if len(lines) != 1 or "the same command goes on" not in lines[0]:
        faults.append(f"{len(lines)} lines: {lines[-1:]}")
    return faults


def faults(case: Case, words: list[str], folder: Path, unbroken: Any) -> list[str]:
    """Plays a case and its continuation; returns what is not as it should be."""
    words = [*words, f"paths.outputs={folder / 'outputs'}"]
    ending = played(words, folder, partial(arm, case))
    if case.delay and not ending.code:
        return [LATE]
    found = faults_of_the_end(case, ending)
    left = [path.name for pattern in (".*.part", ".claim-*") for path in folder.rglob(pattern)]
    if left and case.sent != "KILL":
        found.append(f"left {left}")
    again = played(words, folder)
    if again.code or again.err:
        return [*found, f"the same command ended with {again.code}: {again.err.splitlines()[-1:]}"]
    if any(folder.rglob(".*.part")) or any(folder.rglob(".claim-*")):
        found.append("part files or claims after all")
    return found if same(result_of(folder / "outputs"), unbroken) else [*found, "another result"]


def judged(case: Case, words: list[str], folder: Path, unbroken: Any) -> tuple[Case, list[str]]:
    """Plays a case in a folder of its own; halves the delay for as long as the run ends before the signal."""
    folder.mkdir()
    found = faults(case, words, folder, unbroken)
    shutil.rmtree(folder)
    if found == [LATE]:
        return judged(replace(case, delay=case.delay / 2), words, folder, unbroken)
    return case, found


def make_pictures(folder: Path) -> Path:
    """Writes two classes of 60 training and 10 test pictures each; returns their folder."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 10)):
        for name, middle in (("dark", 80), ("bright", 170)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.normal(middle, 40, (12, 12, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder


def play(mode: str, chosen: argparse.Namespace, tell: Callable[[str], None]) -> tuple[Counter[tuple[str, str]], int]:
    """Plays every case of a mode; returns how many of each signal and instant were right, and how many were not.

    Raises:
        SystemExit: if even the unbroken run fails.
    """
    chance, right, wrong = random.Random(f"{chosen.seed} {mode}"), Counter[tuple[str, str]](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = make_pictures(folder / "pictures")
        words = [word.replace("PICTURES", str(pictures)) for word in MODES[mode]]
        whole = played([*words, f"paths.outputs={folder / 'unbroken'}"], folder)
        if whole.code or whole.err:
            raise SystemExit(f"{mode}: the unbroken run ended with code {whole.code}: {whole.err}")
        unbroken = result_of(folder / "unbroken")
        for sent in chosen.signals:
            for instant in chosen.instants:
                for delay in [0.0] + [chance.uniform(0, LONGEST_DELAY_SECONDS) for _ in range(chosen.delays)]:
                    case, found = judged(Case(mode, sent, instant, delay), words, folder / "case", unbroken)
                    tell(f"{case}: {', '.join(found) or 'as it should be'}")
                    right[sent, instant] += not found
                    wrong += bool(found)
    return right, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", nargs="+", default=[*MODES], choices=MODES)
    parser.add_argument("--signals", nargs="+", default=[*SIGNALS], choices=SIGNALS)
    parser.add_argument("--instants", nargs="+", default=[*INSTANTS], choices=INSTANTS)
    parser.add_argument("--delays", type=int, default=1, help="cases with a random delay, besides the one without")
    parser.add_argument("--seed", type=int, default=0, help="seed of the delays")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for module in walk_packages(calrun.__path__, "calrun."):
        if not module.name.startswith(("calrun.report", "calrun.logger", "calrun.__main__")):
            importlib.import_module(module.name)
    wrong = 0
    print(f"| mode | signal | {' | '.join(chosen.instants)} |")
    print(f"|---|---|{'---|' * len(chosen.instants)}")
    for mode in chosen.modes:
        right, faulty = play(mode, chosen, lambda line: print(line, file=sys.stderr, flush=True))
        wrong += faulty
        for sent in chosen.signals:
            counts = [f"{right[sent, instant]} of {1 + chosen.delays}" for instant in chosen.instants]
            print(f"| {mode} | {sent} | {' | '.join(counts)} |", flush=True)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
