"""The unlabelled rows through a model's eyes, gathered in one pass over the rows that the columns follow.

Dimension key: N candidates, L labelled rows, C classes, D features, K Monte-Carlo samples, V validation rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from calrun.look.columns import COLUMNS, Column
from calrun.look.predict import check_finite, check_rows, mc_seeds
from calrun.look.sizes import Sizes
from calrun.look.view import Split, View


class Images(Protocol):
    """The pictures behind rows, in the evaluation transform and on the model's device."""

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) in the order of `rows`."""
        ...


@dataclass(frozen=True)
class Candidates:
    """The unlabelled rows through a model's eyes: the columns that the acquisition's `needs` names, and no others.

    Args:
        rows: int64 (N,), indices into the whole training set; every column below follows this order.
        columns: the named columns. `logits` (N, C), `features` (N, D), `head_weight` (C, D), `head_bias` (C,),
            `previous_logits` and `previous_features` those of the previous round's network, `mc_log_probs`
            (N, K, C), `labelled_rows` (L,), `labelled_features` (L, D), `labelled_logits` (L, C),
            `labelled_targets` (L,), `val_logits` (V, C), `val_features` (V, D), `val_targets` (V,), `oracle` (N,) the
            true classes (declared by the papers' cheating baselines only), `images` an `Images`, `model` the network,
            `scratch` a folder where a long selection may leave its state for the process that resumes after a kill,
            `run_folder` the run's, where an acquisition may keep a file for later rounds.
        splits: which rows a column of the acquisition's own follows; calrun's columns are known by name.
    """

    rows: np.ndarray
    columns: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Split | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """The bytes of all columns."""
        return sum(getattr(column, "nbytes", 0) for column in self.columns.values())

    def at(self, index_N: np.ndarray, index_L: np.ndarray | None = None) -> "Candidates":
        """Returns the candidates at some positions, and the labelled rows at others if `index_L` is given.

        Columns that follow neither stay whole.
        """
        index = {"candidates": index_N} | ({} if index_L is None else {"labelled": index_L})
        columns = dict(self.columns)
        for name, column in self.columns.items():
            split = self.splits.get(name, COLUMNS[name].split if name in COLUMNS else None)
            if split in index:
                columns[name] = _at(column, index[split])
        return replace(self, rows=self.rows[index_N], columns=columns)

    def num_labelled(self) -> int:
        """Returns L, from whichever column of labelled rows there is; 0 if there is none."""
        follow = [name for name in self.columns if name in COLUMNS and COLUMNS[name].split == "labelled"]
        return len(self.columns[follow[0]]) if follow else 0

    @property
    def logits_NC(self) -> Tensor:
        return self._tensor("logits")

    @property
    def features_ND(self) -> Tensor:
        return self._tensor("features")

    @property
    def previous_logits_NC(self) -> Tensor:
        return self._tensor("previous_logits")

    @property
    def previous_features_ND(self) -> Tensor:
        return self._tensor("previous_features")

    @property
    def head_weight_CD(self) -> Tensor:
        return self._tensor("head_weight")

    @property
    def head_bias_C(self) -> Tensor:
        return self._tensor("head_bias")

    @property
    def mc_log_probs_NKC(self) -> Tensor:
        return self._tensor("mc_log_probs")

    @property
    def labelled_rows(self) -> np.ndarray:
        return np.asarray(self._column("labelled_rows"), dtype=np.int64)

    @property
    def labelled_features_LD(self) -> Tensor:
        return self._tensor("labelled_features")

    @property
    def labelled_logits_LC(self) -> Tensor:
        return self._tensor("labelled_logits")

    @property
    def labelled_targets_L(self) -> Tensor:
        return self._tensor("labelled_targets")

    @property
    def val_logits_VC(self) -> Tensor:
        return self._tensor("val_logits")

    @property
    def val_features_VD(self) -> Tensor:
        return self._tensor("val_features")

    @property
    def val_targets_V(self) -> Tensor:
        return self._tensor("val_targets")

    @property
    def oracle_N(self) -> Tensor:
        return self._tensor("oracle")

    @property
    def images(self) -> Images:
        images: Images = self._column("images")
        return images

    @property
    def model(self) -> nn.Module:
        model: nn.Module = self._column("model")
        return model

    @property
    def scratch(self) -> Path:
        return Path(self._column("scratch"))

    @property
    def run_folder(self) -> Path:
        return Path(self._column("run_folder"))

    def column(self, name: str) -> Tensor:
        """Returns a column of the acquisition's own."""
        return self._tensor(name)

    def _tensor(self, name: str) -> Tensor:
        return torch.as_tensor(self._column(name))

    def _column(self, name: str) -> Any:
        if name not in self.columns:
            raise ValueError(
                f"candidates hold {sorted(self.columns)} but not {name!r}; name it in the acquisition's `needs`"
            )
        return self.columns[name]


def _at(column: Any, index: np.ndarray) -> Any:
    if isinstance(column, Tensor):
        return column[torch.from_numpy(index).to(column.device)]
    return np.asarray(column)[index]


def gather(view: View, wanted: Sequence[Column], num_mc_samples: int) -> Candidates:
    """Returns the unlabelled rows with these columns and no others; the columns of a split share one pass."""
    made = dict[str, Any]()
    if view.val is None:
        wanted = [column for column in wanted if column.split != "validation"]
    for split, previous in dict.fromkeys((column.split, column.previous) for column in wanted if column.of is not None):
        together = [column for column in wanted if column.of and (column.split, column.previous) == (split, previous)]
        made |= _passed(view, split, previous, together, num_mc_samples)
    made |= {column.name: _given(view, column) for column in wanted if column.make is not None}
    splits = {column.name: column.split for column in wanted}
    return Candidates(view.rows, view.predictor.place(made), splits)


def _given(view: View, column: Column) -> Any:
    """Returns a column that needs no pass; one that follows rows must have a finite entry for each of them."""
    assert column.make is not None
    made = column.make(view)
    if column.split is not None:
        _, rows = view.split(column.split)
        entries = torch.from_numpy(made) if isinstance(made, np.ndarray) else made
        check_rows(column.name, entries, len(rows))
        check_finite(f"the entries of column {column.name!r}", entries, rows, "correct what makes it")
    return made


def _passed(
    view: View, split: Split | None, previous: bool, columns: Iterable[Column], num_samples: int
) -> dict[str, Tensor]:
    """Returns the columns made by one pass over a split."""
    net = view.previous if previous else view.net
    assert net is not None  # the method keeps it where a column says so
    source, rows = view.split(split)
    of = {column.name: column.of for column in columns if column.of is not None}
    if not len(rows):
        return _empty(view, columns)
    seeds = mc_seeds(view.this_round.rng("dropout masks"), num_samples) if split == "candidates" else []
    return view.predictor(net, source, rows, of, seeds)


def _empty(view: View, columns: Iterable[Column]) -> dict[str, Tensor]:
    """Returns columns without rows, as wide as those of one row would be."""
    num_classes, num_features = view.net.head.weight.shape
    one = Sizes(candidates=1, labelled=1, classes=num_classes, features=num_features, budget=1, validation=1)
    return {column.name: torch.empty(0, round(column.num_bytes(one)) // 4) for column in columns}
