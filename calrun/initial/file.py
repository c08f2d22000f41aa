"""Initial rows that a file names."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from calrun.acquisition.base import Acquisition, Candidates
from calrun.machine.files import decoded


class RowsFromFile(Acquisition):
    """Takes rows in the order of a file.

    Args:
        path: a file with one row number a line, or the picks.csv of a run, of which round 1 is taken.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        """Returns the file's rows.

        Raises:
            ValueError: if the file is missing or unreadable, or does not name exactly `budget` rows of the pool.
        """
        rows = self._read()
        strangers = rows[~np.isin(rows, candidates.rows)]
        if len(strangers) or len(rows) != budget or len(np.unique(rows)) != budget:
            raise ValueError(
                f"initial.path {self.path} wants {budget} distinct rows of the pool (the budget of round 1), but it "
                f"names {len(rows)}, {len(np.unique(rows))} of them distinct and {len(strangers)} not in the pool "
                f"(first: {strangers[:5].tolist()}); mend the file or change the budget"
            )
        return rows

    def _read(self) -> np.ndarray:
        try:
            text = decoded(self.path.read_bytes())
            if self.path.suffix.lower() == ".csv":
                picks = pd.read_csv(StringIO(text))
                rows = picks.loc[picks["round"] == 1, "row"].to_numpy()
                if rows.dtype.kind not in "iu":
                    raise ValueError(f"rows of type {rows.dtype}")
                return rows.astype(np.int64)
            lines = [line for line in text.splitlines() if line.strip()]
            return np.loadtxt(lines, dtype=np.int64, ndmin=1) if lines else np.empty(0, np.int64)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"initial.path {self.path} cannot be read as row numbers, one a line, or as a picks.csv ({error})"
            ) from error
