"""One pass of a backbone over rows into a map, which a process that resumes after a kill goes on with.

Rows count as written once they are on disk; the mark beside the map says how many are, in the order of the pass.

Dimension key: N rows of a source, B rows of a batch, D features.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.lib.format import open_memmap
from torch import Tensor

from calrun.dataset.base import Source
from calrun.feature_store.keep.checked import map_checksum
from calrun.feature_store.keep.facts import Facts
from calrun.feature_store.keep.kept import Kept
from calrun.look.predict import Predictor, Seen, check_finite, check_rows, features
from calrun.model.base import Classifier
from calrun.text.doing import now
from calrun.text.duration import duration

MARK_SECONDS = 5.0  # work that a kill can cost, beyond the batch under way


def fill(kept: Kept, facts: Facts, net: Classifier, source: Source, predictor: Predictor, what: str) -> None:
    """Writes the features of all rows, from where an earlier pass was killed, and then names the map.

    Nothing is left of features that are refused: the same pass would be refused again.

    Args:
        kept: where they go; its lock is held.
        facts: what they are.
        net: the network.
        source: the rows.
        predictor: on whose device and in whose batches they pass.
        what: a name for people.

    Raises:
        ValueError: if a feature is not finite, or what lies there is something else.
    """
    mapped, done, began = *begun(kept, facts, what), time.monotonic()
    order = source.passing_order(np.arange(facts.rows))
    passing = np.arange(facts.rows) if order is None else order
    marked, first = began, done
    try:
        for rows, part_BD in batches(net, source, predictor, passing[done:]):
            mapped[rows] = held(kept, part_BD, rows, facts)
            done += len(rows)
            now.text = told(done, facts.rows, (time.monotonic() - began) / (done - first) * (facts.rows - done))
            if time.monotonic() - marked > MARK_SECONDS:
                mapped.flush()
                kept.mark.write_text(str(done), encoding="utf-8")
                marked = time.monotonic()
        mapped.flush()
        kept.mark.write_text(str(done), encoding="utf-8")
    finally:
        now.text = ""
    kept.say(facts, what=what, checksum=map_checksum(mapped), seconds=round(time.monotonic() - began, 3))
    kept.part.replace(kept.path)
    kept.mark.unlink(missing_ok=True)


def begun(kept: Kept, facts: Facts, what: str) -> tuple[np.memmap, int]:
    """Returns the map to write to, and how many rows of the pass it holds already."""
    done = kept.passed()
    if kept.part.exists() and kept.sidecar.exists() and 0 < done <= facts.rows:
        kept.refuse_other(facts)
        mapped = open_memmap(kept.part, mode="r+")
        if mapped.shape == (facts.rows, facts.width) and mapped.dtype == facts.dtype:
            return mapped, done
    kept.mark.unlink(missing_ok=True)
    kept.say(facts, what=what, checksum=None)
    made = open_memmap(kept.part, mode="w+", dtype=np.dtype(facts.dtype), shape=(facts.rows, facts.width))
    return made, 0


def batches(
    net: Classifier, source: Source, predictor: Predictor, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Yields (rows, features) of each batch, as the network gives them."""
    with predictor.evaluating(net):
        for chunk, x in predictor.batches(source, rows):
            yield chunk, features(Seen(net, x, predictor.reduced))


def held(kept: Kept, part_BD: Tensor, rows: np.ndarray, facts: Facts) -> np.ndarray:
    """Returns the features of a batch (B, D) as they are stored; of those that are refused everything is removed.

    Raises:
        ValueError: if a feature is not finite, or of a row there are others than D.
    """
    try:
        check_rows("features", part_BD, len(rows))
        check_width(tuple(part_BD.shape[1:]), facts.width)
        on_host = part_BD.float().cpu()
        check_finite("the backbone's features", on_host, rows, "look at its weights and at these rows")
        with np.errstate(over="ignore"):
            stored: np.ndarray = on_host.numpy().astype(facts.dtype)
        check_held(stored, rows)
    except ValueError:
        kept.remove()
        raise
    return stored


def check_width(shape: tuple[int, ...], width: int) -> None:
    """Refuses features of another width than the head takes."""
    if shape != (width,):
        raise ValueError(
            f"the backbone gives features of shape {shape} for a row, but its head takes {width}; correct the network"
        )


def check_held(stored: np.ndarray, rows: np.ndarray) -> None:
    """Refuses features that the stored numbers cannot hold."""
    bad = rows[~np.isfinite(stored).all(axis=1)]
    if len(bad):
        raise ValueError(
            f"{stored.dtype} cannot hold the features of {len(bad)} of {len(rows)} rows (first: {bad[:5].tolist()}), "
            f"which exceed {np.finfo(stored.dtype).max:g}; set feature_store.dtype=float32"
        )


def told(done: int, rows: int, left: float) -> str:
    """Returns how far a pass is, in words."""
    return f"features {done:,} of {rows:,} rows ({done / rows:.0%})  about {duration(left)} left"
