"""What it costs to recognise a run's data: digits, and a folder of 20,000 pictures, at the first start and the second.

Prints a Markdown table. `identity` runs at every start; the loader's own check of pictures is timed beside it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from calrun.experiment import load_data
from calrun.folder.identity import identity
from calrun.places import CONF

CLASSES = 10


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    number = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONF), version_base="1.3"):
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        make_pictures(Path(folder, "pictures"), number)
        time.sleep(3)  # files that were written just now are not remembered
        digits = compose("config", ["dataset=digits"])
        pictures = compose(
            "config", ["dataset=image_folder", f"dataset.root={folder}/pictures", "model.model_name=resnet18"]
        )
        print("| data | start | identity s | loader, with its check, s |")
        print("|---|---|---|---|")
        for name, cfg in (("digits", digits), (f"{number:,} JPEGs of 64 x 64", pictures)):
            for start in ("first", "second"):
                print(f"| {name} | {start} | {measured(identity, cfg):.3f} | {measured(loaded, cfg):.2f} |")


def loaded(cfg: DictConfig) -> object:
    """Loads the data set."""
    return load_data(cfg.dataset, cfg.seed)


def measured(work: Callable[[DictConfig], object], cfg: DictConfig) -> float:
    """Returns the seconds that `work` takes."""
    begun = time.perf_counter()
    work(cfg)
    return time.perf_counter() - begun


def make_pictures(root: Path, number: int) -> None:
    """Writes pictures of noise, a tenth of them for the test set."""
    rng = np.random.default_rng(0)
    for index in range(number):
        folder = root / ("test" if index % 10 == 0 else "train") / f"class{index // 10 % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{index}.jpg")


if __name__ == "__main__":
    main()
