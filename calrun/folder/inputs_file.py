"""inputs.json of a run folder: what other rows must be, and be brought to, for the network that the run trains."""

import json
from pathlib import Path

from calrun.dataset.base import Dataset, Inputs
from calrun.machine.files import replace_text, whole

NAME = "inputs.json"
ITEMS = "train_items.txt"  # the item ids of a training set that is a part of a larger one, in the order of its rows


def write_inputs(folder: Path, data: Dataset) -> None:
    """Records what the data set alone knows, so that its rows need not be there when the network is used.

    Where the training set is a part of a larger one, its items go to a file that row_transform=split reads.
    """
    known = {
        "shape": data.input_shape,
        "num_rows": len(data.train),
        "measured": data.train.measured(),
        "vocabulary": data.vocabulary,
    }
    replace_text(folder / NAME, json.dumps(known) + "\n")
    if data.train.is_part and not (folder / ITEMS).exists():
        replace_text(folder / ITEMS, "".join(f"{data.train.item_id(row)}\n" for row in range(len(data.train))))


def read_inputs(folder: Path) -> Inputs:
    """Returns what was recorded.

    Raises:
        ValueError: if nothing was, as before runs did so, or the file is damaged.
    """
    if not (folder / NAME).exists():
        raise ValueError(
            f"{folder} has no {NAME}: it was begun before runs recorded what their network takes; a run that is not "
            "finished records it when it goes on, a finished one has to be played anew (calrun run ... --fresh)"
        )
    with whole(folder / NAME):
        known = json.loads((folder / NAME).read_text(encoding="utf-8"))
        shape, vocabulary = tuple(map(int, known["shape"])), known.get("vocabulary")
        return Inputs(shape, int(known["num_rows"]), dict(known["measured"]), vocabulary)
