"""The columns that an acquisition can need: of which rows, how wide, and how each is made. A new column is one entry.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features, K Monte-Carlo samples.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from calrun.look.predict import Seen, features, logits, mc_log_probs
from calrun.look.sizes import FLOAT, Sizes
from calrun.look.view import Split, View

Wish = Literal["dropout", "linear_head", "truth", "row_class", "beside"]
LONG = 8  # bytes of a whole number
DROPOUT: frozenset[Wish] = frozenset({"dropout"})
LINEAR_HEAD: frozenset[Wish] = frozenset({"linear_head"})
ROW_CLASS: frozenset[Wish] = frozenset({"row_class"})
TRUTH: frozenset[Wish] = frozenset({"truth", "row_class"})


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: what `needs` calls it.
        num_bytes: its size in bytes.
        split: the rows that it follows; `None` if it does not follow rows.
        of: what is kept of each batch that goes through the network; all columns of a split share one pass.
        make: how it is made if it needs no pass, or makes its own.
        passes: how often each row goes through a network for it, beyond the shared pass.
        previous: whether the previous round's network makes the pass; in round 1, the untrained one.
        wants: what it cannot be made without: a network with dropout, a linear head, labels that nobody has
            bought, one class for each row, a network that is evaluated beside the one that answers.
    """

    name: str
    num_bytes: Callable[[Sizes], float]
    split: Split | None = "candidates"
    of: Callable[[Seen], Tensor] | None = None
    make: Callable[[View], Any] | None = None
    passes: Callable[[Sizes], int] = lambda sizes: 0
    previous: bool = False
    wants: frozenset[Wish] = frozenset()


def rows_of(split: Split | None, sizes: Sizes) -> int:
    """Returns how many rows a split has."""
    if split is None:
        return 0
    return {"candidates": sizes.candidates, "labelled": sizes.labelled, "validation": sizes.validation}[split]


def per_row(
    name: str,
    of: Callable[[Seen], Tensor],
    width: Callable[[Sizes], float],
    split: Split = "candidates",
    previous: bool = False,
) -> Column:
    """Returns a column of single-precision numbers from one pass, `width` of them for each row."""
    return Column(name, lambda sizes: FLOAT * rows_of(split, sizes) * width(sizes), split, of, previous=previous)


def given(
    name: str,
    make: Callable[[View], Any],
    num_bytes: Callable[[Sizes], float] = lambda sizes: 0.0,
    split: Split | None = None,
    wants: frozenset[Wish] = frozenset(),
) -> Column:
    """Returns a column that needs no pass."""
    return Column(name, num_bytes, split, make=make, wants=wants)


def _classes(sizes: Sizes) -> float:
    return sizes.classes


def _features(sizes: Sizes) -> float:
    return sizes.features * sizes.feature_bytes / FLOAT


def _labelled(sizes: Sizes) -> float:
    return LONG * sizes.labelled


def _val_targets(view: View) -> Tensor | None:
    return None if view.val is None else torch.from_numpy(view.val.targets)


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        per_row("logits", logits, _classes),
        per_row("features", features, _features),
        per_row("previous_logits", logits, _classes, previous=True),
        per_row("previous_features", features, _features, previous=True),
        per_row("labelled_logits", logits, _classes, "labelled"),
        per_row("labelled_features", features, _features, "labelled"),
        per_row("val_logits", logits, _classes, "validation"),
        per_row("val_features", features, _features, "validation"),
        Column(
            "mc_log_probs",
            lambda sizes: FLOAT * sizes.candidates * sizes.mc_samples * sizes.classes,
            of=mc_log_probs,
            passes=lambda sizes: sizes.mc_samples,
            wants=DROPOUT,
        ),
        given("labelled_rows", lambda view: view.labelled, _labelled, "labelled"),
        given("labelled_targets", lambda view: view.labelled_targets(), _labelled, "labelled", ROW_CLASS),
        given("val_targets", _val_targets, lambda sizes: LONG * sizes.validation, "validation", ROW_CLASS),
        given("oracle", lambda view: view.truth(), lambda sizes: LONG * sizes.candidates, "candidates", TRUTH),
        given(
            "head_weight",
            lambda view: view.net.head.weight.detach().float().cpu(),
            lambda sizes: FLOAT * sizes.classes * sizes.features,
            wants=LINEAR_HEAD,
        ),
        given(
            "head_bias",
            lambda view: view.net.head.bias.detach().float().cpu(),
            lambda sizes: FLOAT * sizes.classes,
            wants=LINEAR_HEAD,
        ),
        given("images", lambda view: view.images()),
        given("model", lambda view: view.net.to(view.predictor.device).eval()),
        given("scratch", lambda view: view.this_round.folder),
        given("run_folder", lambda view: view.this_round.folder.parent),
    )
}


def column_bytes(columns: Iterable[Column], sizes: Sizes) -> dict[str, int]:
    """Returns the size of each column in bytes; pictures and the network count as 0."""
    return {column.name: round(column.num_bytes(sizes)) for column in columns}


def looked_at(columns: Iterable[Column], sizes: Sizes) -> tuple[int, int]:
    """Returns how many rows the columns come from, and how many times in all a row goes through a network."""
    columns = [column for column in columns if column.of is not None or column.passes(sizes)]
    shared = {(column.split, column.previous) for column in columns if not column.passes(sizes)}
    rows = sum(rows_of(split, sizes) for split in {column.split for column in columns})
    passes = sum(rows_of(split, sizes) for split, _ in shared)
    passes += sum(column.passes(sizes) * rows_of(column.split, sizes) for column in columns)
    return rows, passes
