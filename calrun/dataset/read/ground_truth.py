"""The classes of ImageNet's validation pictures, which lie in one folder: from the development kit, or from a list."""

from collections.abc import Sequence
from pathlib import Path
from zlib import error as ZlibError

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

BROKEN = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, NotImplementedError, ZlibError, MatReadError)
SHOWN = 5  # names that an error shows


def answers_of(path: Path, files: Sequence[str]) -> list[str]:
    """Returns the wnid of each file.

    Args:
        path: one number a line, for the files in order (the development kit's, with meta.mat beside it), or a file's
            name and its wnid in each line, with a comma or a blank between them.
        files: sorted names.

    Raises:
        ValueError: if the file is neither, or does not speak of each file.
    """
    try:
        lines = [line.replace(",", " ").split() for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); fetch it again") from error
    if lines and all(len(line) == 1 and line[0].isdecimal() for line in lines):
        return by_number(path, [int(line[0]) for line in lines], files)
    return by_name(path, lines, files)


def by_number(path: Path, numbers: Sequence[int], files: Sequence[str]) -> list[str]:
    """Returns the wnids of the development kit's numbers."""
    if len(numbers) != len(files):
        raise ValueError(
            f"{path} has the classes of {len(numbers):,} pictures, but {len(files):,} are in val/; unpack all of them"
        )
    wnid_of = kit_classes(path.parent / "meta.mat")
    unknown = sorted({number for number in numbers if number not in wnid_of})
    if unknown:
        raise ValueError(f"{path} names {len(unknown)} classes that meta.mat has not (first: {unknown[:SHOWN]})")
    return [wnid_of[number] for number in numbers]


def kit_classes(path: Path) -> dict[int, str]:
    """Returns the wnid of each number in the development kit's meta.mat; synsets with children are no classes."""
    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        leaves = [synset for synset in synsets if int(synset["num_children"]) == 0]
        return {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in leaves}
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path}, which says what the numbers of the validation set mean, cannot be read ({reason}); unpack it "
            "from ILSVRC2012_devkit_t12.tar.gz"
        ) from error


def by_name(path: Path, lines: Sequence[Sequence[str]], files: Sequence[str]) -> list[str]:
    """Returns the wnid that stands behind each file's name, with its ending or without."""
    answer = {Path(line[0]).stem: line[1] for line in lines if len(line) > 1}
    missing = [file for file in files if Path(file).stem not in answer]
    if missing:
        raise ValueError(
            f"{path} says no class of {len(missing):,} of {len(files):,} pictures (first: {missing[:SHOWN]}); each "
            "wants a line such as 'ILSVRC2012_val_00000001.JPEG n01751748'"
        )
    return [answer[Path(file).stem] for file in files]
