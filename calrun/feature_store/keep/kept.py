"""Stored features as files: ID.npy holds them, ID.json says what they are; until a pass is done, .ID.npy.part.

Dimension key: N rows, D features.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calrun.feature_store.keep.facts import Facts
from calrun.machine.files import BROKEN, replace_text

NAMES = {
    "weights": "weights", "data": "rows", "transform": "transform", "layer": "layer", "dtype": "numbers",
    "precision": "precision of the pass", "rows": "number of rows",
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """One set of features in a folder, whole or not.

    Args:
        folder: of all features.
        id: its name.
    """

    folder: Path
    id: str

    @property
    def path(self) -> Path:
        """The map; it is there when it is whole."""
        return self.folder / f"{self.id}.npy"

    @property
    def part(self) -> Path:
        """The map while a pass fills it."""
        return self.folder / f".{self.id}.npy.part"

    @property
    def mark(self) -> Path:
        """How many rows of the pass have been written, in its order."""
        return self.folder / f".{self.id}.mark"

    @property
    def sidecar(self) -> Path:
        """What the map is."""
        return self.folder / f"{self.id}.json"

    @property
    def lock(self) -> Path:
        """Held by the process that fills the map."""
        return self.folder / f".{self.id}.lock"

    @property
    def is_whole(self) -> bool:
        return self.path.exists()

    def passed(self) -> int:
        """Returns how many rows have been written of a map that is not whole; 0 if nobody knows."""
        with suppress(OSError, ValueError):
            return int(self.mark.read_text(encoding="utf-8"))
        return 0

    def said(self) -> dict[str, Any]:
        """Returns what the file beside the map says.

        Raises:
            ValueError: if it is missing or damaged.
        """
        try:
            said: dict[str, Any] = json.loads(self.sidecar.read_text(encoding="utf-8"))
            Facts.parsed(said)
        except FileNotFoundError as error:
            raise ValueError(
                f"{self.path} has no {self.sidecar.name} beside it, so nobody knows what it is; {self.remedy}"
            ) from error
        except BROKEN as error:
            raise ValueError(f"{self.sidecar} is damaged ({type(error).__name__}); {self.remedy}") from error
        return said

    def say(self, facts: Facts, **more: Any) -> None:
        """Writes the file beside the map."""
        replace_text(self.sidecar, json.dumps({"id": self.id, **asdict(facts), **more}, indent=1) + "\n")

    def refuse_other(self, facts: Facts) -> None:
        """Refuses a map that is something else than its name says, or of another width than the network gives.

        Raises:
            ValueError: if it is.
        """
        known = Facts.parsed(self.said())
        other = [label for name, label in NAMES.items() if getattr(known, name) != getattr(facts, name)]
        if other:
            raise ValueError(
                f"{self.sidecar} describes features of other {', '.join(other)} than its name stands for; {self.remedy}"
            )
        if known.width != facts.width:
            raise ValueError(
                f"{self.path} holds {known.width} features a row, but the backbone of the same weights now gives "
                f"{facts.width}; its code has changed: {self.remedy}"
            )

    def opened(self) -> np.ndarray:
        """Returns the map (N, D); pages are read when they are looked at, and nothing is ever written to the file.

        Raises:
            ValueError: if it is truncated or not the map that the file beside it describes.
        """
        facts = Facts.parsed(self.said())
        try:
            mapped = np.lib.format.open_memmap(self.path, mode="c")
        except BROKEN as error:
            size = self.path.stat().st_size
            raise ValueError(
                f"{self.path} is truncated or damaged: it has {size:,} bytes, and {facts.rows:,} rows x {facts.width} "
                f"{facts.dtype} are wanted; {self.remedy}"
            ) from error
        if mapped.shape != (facts.rows, facts.width) or mapped.dtype != facts.dtype:
            raise ValueError(
                f"{self.path} holds {mapped.shape} {mapped.dtype}, but {self.sidecar.name} says "
                f"{(facts.rows, facts.width)} {facts.dtype}; {self.remedy}"
            )
        return mapped

    @property
    def remedy(self) -> str:
        """What to do about features that cannot be used."""
        return f"remove it (calrun features remove {self.id} paths.features={self.folder}) and they are computed anew"

    def remove(self) -> None:
        """Removes everything; the file beside the map last, so that what is left can be recognised."""
        for path in (self.path, self.part, self.mark, self.sidecar, self.lock):
            path.unlink(missing_ok=True)


def all_kept(folder: Path) -> Iterator[Kept]:
    """Yields everything that lies in a folder, by name."""
    names = {path.stem for path in [*folder.glob("*.json"), *folder.glob("*.npy")]}
    yield from (Kept(folder, name) for name in sorted(names))
