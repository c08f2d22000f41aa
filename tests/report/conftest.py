"""Hand-made run folders, written as the recorder writes them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

CHOICES = {
    "dataset": "digits",
    "model": "mlp",
    "acquisition": "entropy",
    "method": "al",
    "budget": "digits",
    "trainer": "cpu",
    "optimizer": "sgd",
}


def round_line(number: int, accuracy: float, **more: Any) -> dict[str, Any]:
    line = {
        "round": number,
        "labelled": 100 * number,
        "labelled_fraction": 0.1 * number,
        "test": {"test": {"accuracy": accuracy, "balanced_accuracy": accuracy - 0.01, "loss": 1 - accuracy}},
        "train_accuracy": 0.99,
        "seconds": {"fit": 10.0 * number, "evaluate": 0.1, "score": 0.2, "select": 0.3, "commit": 0.01},
        "steps": 50 * number,
        "epochs": 10,
        "samples_forward": 2000 * number,
        "samples_backward": 1000 * number,
        "stop_reason": "99 % train accuracy",
        "class_counts": [60 * number, 40 * number],
        "imbalance_ratio": 1.5,
        "label_entropy": 0.673,
        "peak_memory_bytes": 10**8,
        "device": "cpu",
    }
    return line | more


def write_run(folder: Path, lines: Sequence[dict[str, Any]], seed: int = 0, **options: Any) -> Path:
    """Writes one run folder; options: a choice by group name, state, experiment, run_id, leaves (of config.yaml)."""
    choices = CHOICES | {group: options[group] for group in CHOICES if group in options}
    run_id = options.get("run_id") or f"{abs(hash((folder.name, seed))) % 10**8:08d}"
    config = {"seed": seed, "run_id": run_id, "experiment": options.get("experiment", "toy"), "choices": choices}
    config |= options.get("leaves", {})
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    attempts = options.get("attempts", [{"python": "3.11", "command": ["calrun", "run"]}])
    (folder / "environment.json").write_text(json.dumps({"attempts": attempts}))
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = options.get("state", "finished")
    (folder / "status.json").write_text(json.dumps({"state": state, "round": len(lines), "rounds": len(lines)}))
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Returns make_run(accuracies, seed=0, seconds=None, **options) -> folder; seconds of fits and kwh by round."""

    def make(
        accuracies: Sequence[float], seed: int = 0, seconds: Sequence[float] | None = None, **options: Any
    ) -> Path:
        lines = [round_line(number, accuracy) for number, accuracy in enumerate(accuracies, start=1)]
        for line, fit in zip(lines, seconds or [], strict=False):
            line["seconds"]["fit"] = fit
        for line, kwh in zip(lines, options.pop("kwh", []), strict=False):
            line.update({} if kwh is None else {"energy_kwh": kwh})
        method = options.get("method", "al")
        data = f"{options.get('dataset', 'digits')}-{options.get('acquisition', 'entropy')}"
        name = f"{data}-{method}-s{seed}-{options.pop('tag', '')}"
        name = options.pop("folder", name)
        return write_run(tmp_path / "outputs" / name, options.pop("lines", lines), seed, **options)

    return make
