"""Labels that people write into a file; what the data set has labels for is answered at once."""

import csv
from io import StringIO
from pathlib import Path

import numpy as np

from calrun.dataset.base import NO_CLASS, UNKNOWN, UNKNOWN_CLASS, Source
from calrun.machine.files import replace_text
from calrun.oracle.base import Oracle
from calrun.oracle.wanted import LabelsWanted

SHOWN = 5  # wrong labels that an error names


class LabelFile(Oracle):
    """Looks into a file for the labels that the data set lacks, and names the items that want one.

    Args:
        path: a CSV file with a line `item,label` for each item, its label by the name of its class, or `unknown class`
            for an item of none of them; lines of other items are passed over.
        targets: the label of every row of the training set, -1 where nobody has given one.
    """

    def __init__(self, path: str, targets: np.ndarray) -> None:
        self.path, self._targets = Path(path).expanduser(), targets

    def begin(self, train: Source, class_names: list[str], folder: Path) -> None:
        self.item_id, self.folder = train.item_id, folder
        self.numbers = {UNKNOWN_CLASS: NO_CLASS, **{name: number for number, name in enumerate(class_names)}}

    def answer(self, rows: np.ndarray, number: int) -> np.ndarray:
        """Returns the labels of the rows bought for a round.

        Raises:
            LabelsWanted: if some are in neither; the items are in wanted-<round>.csv of the run folder then.
            ValueError: if the file cannot be read, or names a class that the data set does not have.
        """
        found: np.ndarray = self._targets[rows].astype(np.int64)
        unknown = np.flatnonzero(found == UNKNOWN)
        if not len(unknown):
            return found
        items, written = [self.item_id(row) for row in rows[unknown].tolist()], self._read()
        missing = [item for item in items if not written.get(item)]
        if missing:
            wanted = self.folder / f"wanted-{number}.csv"
            replace_text(wanted, "".join(f"{line}\n" for line in ["item,label", *(quoted(item) for item in missing)]))
            raise LabelsWanted(
                number, f"{len(missing)} of {len(rows)} are missing; fill in {wanted} and add its lines to {self.path}"
            )
        self._refuse_unknown({item: written[item] for item in items})
        found[unknown] = [self.numbers[written[item]] for item in items]
        return found

    def _read(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        try:
            text = self.path.read_text(encoding="utf-8-sig")
            return labels_in([[value.strip() for value in line] for line in csv.reader(StringIO(text)) if line])
        except (OSError, ValueError, csv.Error) as error:
            raise ValueError(f"oracle.path {self.path} cannot be read as lines of item,label ({error})") from error

    def _refuse_unknown(self, labels: dict[str, str]) -> None:
        wrong = [f"{item}: {label}" for item, label in labels.items() if label not in self.numbers]
        if wrong:
            raise ValueError(
                f"oracle.path {self.path} gives {len(wrong)} items classes that the data set does not have (first: "
                f"{wrong[:SHOWN]}); its classes are {', '.join([*self.numbers][1:31])}, and {UNKNOWN_CLASS} "
                "stands for any other"
            )


def labels_in(lines: list[list[str]]) -> dict[str, str]:
    """Returns the label of each item, as written in the first two values of its line.

    Raises:
        ValueError: if a line has more values than the first, as where a comma is not quoted, or an item two labels.
    """
    labels: dict[str, str] = {}
    for line in lines:
        if len(line) > len(lines[0]):
            raise ValueError(f"the line of {line[0]!r} has {len(line)} values, the first line {len(lines[0])}")
        label = line[1] if len(line) > 1 else ""
        if label and labels.get(line[0], label) != label:
            raise ValueError(f"{line[0]!r} has the labels {labels[line[0]]!r} and {label!r}")
        if label:
            labels[line[0]] = label
    return labels


def quoted(item: str) -> str:
    """Returns a line of CSV with an item and room for its label."""
    line = StringIO()
    csv.writer(line, lineterminator="").writerow([item, ""])
    return line.getvalue()
