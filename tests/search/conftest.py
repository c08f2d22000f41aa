"""Hand-made run folders of a search, written as the recorder writes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import yaml

CHOICES = {"dataset": "digits", "model": "mlp", "method": "al", "acquisition": "entropy"}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Returns make_run(validation accuracy, seed, experiment, rounds, **options and configuration) -> folder.

    The test accuracy runs against the validation accuracy: whoever looks at it takes the wrong one.
    """

    def make(value: float | None, seed: int = 0, experiment: str = "lr", rounds: int = 2, **leaves: Any) -> Path:
        choices = {group: leaves.pop(group, option) for group, option in CHOICES.items()}
        config = {"seed": seed, "run_id": "0", "data_fingerprint": "100-10-0", "choices": choices}
        config |= {"val_fraction": 0.1, "optimizer": {"lr": 0.1}} | leaves
        name = f"{'-'.join(choices.values())}-s{seed}-{crc32(repr(leaves).encode()):08x}"
        folder = tmp_path / "outputs" / experiment / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        lines = [line(number, value) for number in range(1, rounds + 1)]
        (folder / "rounds.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        (folder / "status.json").write_text(json.dumps({"state": "finished", "round": rounds, "rounds": 2}))
        return folder

    def line(number: int, value: float | None) -> dict[str, Any]:
        last = number == 2
        told = 0.5 if value is None else value
        split = {"accuracy": told if last else 1 - told, "loss": 1 - told}
        return {
            "round": number,
            "rounds": 2,
            "labelled": 100 * number,
            "test": {"test": {"accuracy": 1 - told}},
            **({} if value is None else {"validation": split}),
            "seconds": {"fit": 1.0},
            "samples_backward": 1000 * number,
        }

    return make
