"""Pictures a second from JPEG files: the streamed source of image_folder against PIL with torchvision's transforms.

Writes files as large as Caltech-101's (shorter side 200 pixels) from an archive of joined pictures, such as
../shared/data/caltech101_s96_jpeg.npz, again and again until there are enough. Prints a Markdown table: medians of
several passes over all files, in turn, and the ratio of each pair.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from torch.utils.data import DataLoader, RandomSampler
from torchvision import transforms
from torchvision.datasets import ImageFolder

from calrun.dataset.base import StepRows
from calrun.dataset.source.streamed import Streamed
from calrun.places import CONF

SHORTER_SIDE, QUALITY = 200, 90
AT_ONCE = 500  # pictures that one process writes


def main() -> None:
    """Writes the files and measures training and evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, default=Path("../shared/data/caltech101_s96_jpeg.npz"))
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=SHORTER_SIDE, help="shorter side of the pictures in pixels")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recipe = OmegaConf.load(CONF / "dataset" / "image_folder.yaml").dataset
    with tempfile.TemporaryDirectory() as folder:
        files = written(asked.archive, Path(folder), asked.pictures, asked.side)
        ours = Streamed(
            *(Path(folder), files, np.zeros(len(files), np.int64), instantiate(recipe.picture)),
            *(instantiate(recipe.transform), asked.workers),
        )
        size = sum((Path(folder) / file).stat().st_size for file in files) / len(files)
        print(
            f"{len(files):,} files of {size / 1024:.0f} KiB, {asked.workers} workers, batches of {asked.batch}, "
            f"medians of {asked.passes} passes in turn; torch {torch.__version__}, torchvision "
            f"{torchvision.__version__}, Pillow {Image.__version__}\n"
        )
        print("| pass | calrun, pictures/s | PIL and torchvision, pictures/s | ratio (min, median, max) |")
        print("|---|---|---|---|")
        theirs = partial(plain, Path(folder), recipe, asked.workers, asked.batch)
        for name, own in (("training", training), ("evaluation", evaluation)):
            both = partial(own, ours, asked.batch), partial(theirs, name == "training")
            compare(name, *both, len(files), asked.passes)


def written(archive: Path, folder: Path, count: int, side: int) -> list[str]:
    """Writes pictures below a folder's class `all`; returns their names relative to it."""
    (folder / "all").mkdir()
    with ProcessPoolExecutor() as pool:
        numbers = [range(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE)]
        parts = pool.map(partial(write_part, archive, folder, side), numbers)
        return [name for part in parts for name in part]


def write_part(archive: Path, folder: Path, side: int, numbers: range) -> list[str]:
    """Writes pictures of these numbers, each enlarged until its shorter side is `side`."""
    with np.load(archive) as arrays:
        joined, offsets = arrays["jpeg"], arrays["offsets"]
    names = []
    for number in numbers:
        row = number % (len(offsets) - 1)
        picture = Image.open(BytesIO(joined[offsets[row] : offsets[row + 1]].tobytes())).convert("RGB")
        factor = side / min(picture.size)
        larger = picture.resize((round(picture.width * factor), round(picture.height * factor)))
        names.append(f"all/{number:06d}.jpg")
        larger.save(folder / names[-1], quality=QUALITY)
    return names


def training(source: Streamed, batch: int) -> Iterator[torch.Tensor]:
    """Yields the augmented, normalised batches of an epoch, as a fit does."""
    order = np.random.default_rng(0).permutation(len(source))
    nothing = np.empty(0, dtype=np.int64)
    steps = [StepRows(order[start : start + batch], nothing) for start in range(0, len(order), batch)]
    for block in source.blocks(steps, seed=0):
        yield from (current.x for current, _ in block.to(torch.device("cpu")))


def evaluation(source: Streamed, batch: int) -> Iterator[torch.Tensor]:
    """Yields the normalised batches of a look at all rows."""
    yield from (x for _, x in source.batches(np.arange(len(source)), batch))


def plain(folder: Path, recipe: Any, workers: int, batch: int, augmented: bool) -> Iterator[torch.Tensor]:
    """Yields the batches of a plain DataLoader, as torchvision's own training script makes them."""
    size, resize = recipe.picture.size, recipe.picture.resize
    cut = (
        [transforms.RandomResizedCrop(size, (recipe.picture.min_area, 1.0)), transforms.RandomHorizontalFlip()]
        if augmented
        else [transforms.Resize(resize), transforms.CenterCrop(size)]
    )
    normalised = [transforms.ToTensor(), transforms.Normalize(list(recipe.transform.mean), list(recipe.transform.std))]
    data = ImageFolder(str(folder), transforms.Compose([*cut, *normalised]))
    order = RandomSampler(data) if augmented else None
    yield from (x for x, _ in DataLoader(data, batch, sampler=order, num_workers=workers))


def compare(
    name: str,
    ours: Callable[[], Iterable[torch.Tensor]],
    theirs: Callable[[], Iterable[torch.Tensor]],
    count: int,
    passes: int,
) -> None:
    """Prints a line of the table."""
    pairs = [(count / seconds(ours, count), count / seconds(theirs, count)) for _ in range(passes)]
    own, plain_rate = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    ratios = sorted(pair[0] / pair[1] for pair in pairs)
    middle = statistics.median(ratios)
    print(f"| {name} | {own:,.0f} | {plain_rate:,.0f} | {ratios[0]:.2f}, {middle:.2f}, {ratios[-1]:.2f} |", flush=True)


def seconds(passed: Callable[[], Iterable[torch.Tensor]], count: int) -> float:
    """Returns how long a pass over all pictures takes.

    Raises:
        SystemExit: if it does not have all of them.
    """
    begun = time.perf_counter()
    found = sum(len(x) for x in passed())
    taken = time.perf_counter() - begun
    if found != count:
        raise SystemExit(f"a pass had {found:,} pictures in place of {count:,}")
    return taken


if __name__ == "__main__":
    main()
