"""Where the choice of a proxy and that of the fine-tuned network differ, and what comes of other choices.

Wen et al. 2024, Sec. 4.1 to 4.3, Figures 4 to 7, 9 and 27. An analysis: it looks at the labels of all rows.

Dimension key: N candidates.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.regions import ADDED, MISSED, regions, replaced_tail
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.candidates import gather
from calrun.look.columns import COLUMNS, Column, Wish, column_bytes
from calrun.look.sizes import Sizes
from calrun.look.view import View
from calrun.machine.files import replace_file
from calrun.text.legal import one_of
from calrun.text.legal import share as check_share

BESIDE: Wish = "beside"  # the column that holds the rows as the fine-tuned network sees them
FILE = "regions.npz"  # in the folder of the round, the rows of each region
LEGAL = {"observe": (), "replace": MISSED, "only": ADDED}  # regions that a mode takes rows from


class Regions(Acquisition):
    """Chooses as the inner acquisition does through the proxy, compared with what it chooses through the full network.

    Figure 9 does not say how a whole budget is had from C or D alone: here the proxy's order goes on beyond its choice
    over rows that the fine-tuned network does not choose, and is right (C) or wrong (D) about; the proxy's own choice
    fills what is left where there are too few.

    Args:
        inner: the acquisition by which both choose.
        mode: `observe` changes nothing, `replace` puts rows of regions in the place of the tail of the proxy's choice,
            `only` takes rows of regions alone.
        regions: of A1, A2, B1, B2 to replace, of C and D to take alone, none to observe; rows of several come in the
            order in which the fine-tuned network (`replace`) or the proxy (`only`) wants them.
        share: of the choice that is replaced at most; 1 puts a whole region in.
    """

    def __init__(
        self, inner: Acquisition, mode: Literal["observe", "replace", "only"], regions: Sequence[str], share: float
    ) -> None:
        one_of("acquisition.mode", mode, LEGAL)
        check_share("acquisition.share", share)
        wrong = [name for name in regions if name not in LEGAL[mode]]
        if wrong or bool(regions) != bool(LEGAL[mode]):
            wanted = f"some of {', '.join(LEGAL[mode])}" if LEGAL[mode] else "none"
            raise ValueError(
                f"acquisition.regions wants {wanted} with acquisition.mode={mode}, got {list(regions)}; correct it"
            )
        if "run_folder" in inner.needs or inner.parts():
            raise ValueError(
                f"acquisition.inner={type(inner).__name__} keeps or trains something for one network, but two are "
                "compared; choose another, such as margin"
            )
        self.inner, self.mode, self.regions, self.share = inner, mode, tuple(regions), share
        self.needs = inner.needs | {"logits", "oracle", "scratch", BESIDE}
        self.num_mc_samples, self.classifies_rows = inner.num_mc_samples, True
        self.counts: dict[str, float] = {}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates, budget = in_row_order(candidates), max(0, min(budget, len(candidates)))
        beside, rows = aligned(candidates), candidates.rows
        order = self.inner.select(candidates, len(rows) if self.mode == "only" else budget, rng)
        full = np.searchsorted(rows, self.inner.select(beside, budget, rng))
        proxy, oracle = np.searchsorted(rows, order), candidates.oracle_N
        full_right, proxy_right = right(beside.logits_NC, oracle), right(candidates.logits_NC, oracle)
        found = regions(full, proxy[:budget], full_right, proxy_right)
        if self.mode == "only":
            taken = self._alone(proxy, full, full_right)[:budget]
        else:
            wanted = full[np.isin(full, [at for name in self.regions for at in found[name]])]
            taken = replaced_tail(proxy, wanted, self.share)
        self._record(candidates, {name: rows[at] for name, at in found.items()}, np.setdiff1d(taken, proxy[:budget]))
        bought: np.ndarray = rows[taken]
        return bought.astype(np.int64)

    def columns(self) -> dict[str, Column]:
        own = self.inner.columns()
        make = partial(seen_beside, inner=self.inner)
        return {**own, BESIDE: Column(BESIDE, self._bytes_beside, None, make=make, wants=frozenset({BESIDE}))}

    def notes(self) -> dict[str, float]:
        return {**self.inner.notes(), **self.counts}

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the inner acquisition's cost for both networks."""
        ranked = sizes.with_budget(sizes.candidates) if self.mode == "only" else sizes
        return self.inner.cost(ranked) + self.inner.cost(sizes)

    def _alone(self, proxy: np.ndarray, full: np.ndarray, full_right: np.ndarray) -> np.ndarray:
        """Returns rows of C or D in the proxy's order, far beyond its choice, and then the other rows in that order."""
        wanted = [full_right if name == "C" else ~full_right for name in self.regions]
        own = np.any(wanted, axis=0)[proxy] & ~np.isin(proxy, full)
        return np.concatenate([proxy[own], proxy[~own]])

    def _record(self, candidates: Candidates, found: Mapping[str, np.ndarray], moved: np.ndarray) -> None:
        replace_file(candidates.scratch / FILE, partial(save, found=found))
        self.counts = {f"region_{name}": float(len(at)) for name, at in found.items()}
        self.counts["rows_exchanged"] = float(len(moved))

    def _bytes_beside(self, sizes: Sizes) -> float:
        return float(sum(column_bytes(wanted_by(self.inner), sizes).values()))


def seen_beside(view: View, inner: Acquisition) -> Candidates:
    """Returns the candidates through the network that is evaluated, with what an acquisition wants and the logits."""
    assert view.beside is not None  # refused before the first fit otherwise
    return gather(view.beside, wanted_by(inner), inner.num_mc_samples)


def wanted_by(inner: Acquisition) -> list[Column]:
    """Returns the columns of an acquisition, and the logits."""
    wanted = inner.wanted()
    return wanted if "logits" in inner.needs else [*wanted, COLUMNS["logits"]]


def aligned(candidates: Candidates) -> Candidates:
    """Returns the same rows in the same order through the other network, which may hold more of them."""
    if BESIDE not in candidates.columns:
        raise ValueError(f"candidates hold {sorted(candidates.columns)} but not {BESIDE!r}, which acquisition needs")
    beside: Candidates = candidates.columns[BESIDE]
    order = np.argsort(beside.rows)
    return beside.at(order[np.searchsorted(beside.rows, candidates.rows, sorter=order)])


def right(logits_NC: Tensor, oracle_N: Tensor) -> np.ndarray:
    """Returns whether each row's highest logit is that of its class (N,)."""
    found: np.ndarray = (logits_NC.argmax(dim=1).cpu() == oracle_N.cpu()).numpy()
    return found


def save(path: Any, found: Mapping[str, np.ndarray]) -> None:
    """Writes the rows of each region."""
    with path.open("wb") as file:
        np.savez(file, **found)  # type: ignore[arg-type] # names that are no arguments
