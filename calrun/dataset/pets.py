"""Oxford-IIIT Pet (Parkhi et al. 2012): 37 breeds of cats and dogs, 3,680 pictures for training, 3,669 for the test."""

from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset
from calrun.dataset.check.picture_check import Level
from calrun.dataset.read.picture_set import PictureReader, Split
from calrun.dataset.read.picture_set import rows as rows
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

LISTS = {"train": "trainval.txt", "test": "test.txt"}
SHOWN = 5  # lines that an error names


def load(root: str, picture: Picture, transform: Transform, num_workers: int, check: Level) -> Dataset:
    """Reads the published lists; the pictures are read again whenever a batch needs them.

    Args:
        root: the folder that holds images/ and annotations/.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: how many pictures are decoded once before the run: all, sample, off.

    Raises:
        ValueError: if a list or a picture is absent or damaged, or an option is wrong.
    """
    folder = Path(root).expanduser()
    reader = PictureReader(picture, transform, num_workers, check)
    listed = {split: read_list(folder / "annotations" / name) for split, name in LISTS.items()}
    class_names = names_of_classes(folder, [pair for own in listed.values() for pair in own])
    splits: dict[str, Split] = {
        split: ([f"images/{name}.jpg" for name, _ in own], np.array([number - 1 for _, number in own]))
        for split, own in listed.items()
    }
    return reader.dataset(folder, splits, class_names)


def read_list(path: Path) -> list[tuple[str, int]]:
    """Returns each picture's name and class number, from 1 on, of lines such as "Abyssinian_100 1 1 1".

    Raises:
        ValueError: if there is no such file, or it has other lines.
    """
    wanted = (
        "put images/ and annotations/ of Oxford-IIIT Pet (images.tar.gz, annotations.tar.gz of "
        f"https://www.robots.ox.ac.uk/~vgg/data/pets/) into {path.parents[1]}"
    )
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise ValueError(f"{wanted}; {path.relative_to(path.parents[1])} is absent") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{wanted}; {path} cannot be read ({error})") from error
    lines = [line for line in lines if line and not line[0].startswith("#")]
    wrong = [" ".join(line) for line in lines if len(line) < 2 or not line[1].isdecimal() or int(line[1]) < 1]
    if wrong or not lines:
        came = f"has {len(wrong)} other lines (first: {wrong[:SHOWN]})" if lines else "has none"
        raise ValueError(f"{path} wants lines such as 'Abyssinian_100 1 1 1', a picture and its class, but {came}")
    return [(line[0], int(line[1])) for line in lines]


def names_of_classes(folder: Path, pairs: list[tuple[str, int]]) -> list[str]:
    """Returns the breeds in the order of their numbers: what stands before a picture's own number.

    Raises:
        ValueError: if a number stands for two breeds or is left out.
    """
    breeds: dict[int, set[str]] = {}
    for name, number in pairs:
        breeds.setdefault(number, set()).add(name.rpartition("_")[0])
    several = {number: sorted(names) for number, names in breeds.items() if len(names) > 1}
    if several or sorted(breeds) != [*range(1, len(breeds) + 1)]:
        said = f"class {min(several)} is {several[min(several)][:SHOWN]}" if several else f"they are {sorted(breeds)}"
        raise ValueError(f"{folder}/annotations wants classes 1, 2, ... of one breed each, but {said}; fetch it again")
    return [next(iter(breeds[number])) for number in sorted(breeds)]
