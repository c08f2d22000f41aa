"""The finished runs whose picks are played again, and why some cannot be compared."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.acquisition.base import Acquisition
from calrun.acquisition.picks_of import read_picks
from calrun.folder.identity import RESULTS
from calrun.folder.round_line import accuracy
from calrun.machine.files import whole
from calrun.network.run_files import configuration
from calrun.report.read.configuration import REPLAY, Configuration, digest, leaves_of, part_of
from calrun.report.read.runs import DAMAGE, Folder, find_run_folders, read_folder, said
from calrun.report.table.plain import printable

PICKS_FILE = "picks.csv"
POOL = (  # what two runs must share for the rows of one to mean the same to the other
    *("dataset", "row_transform", "oracle", "task", "scale", "val_fraction"),
    *("choices.dataset", "data_content"),
)
CHOICE = ("acquisition", "initial", "seed_set_seed")  # keys that say how rows were chosen
SHOWN = 3


@dataclass(frozen=True)
class Source:
    """A finished run.

    Args:
        folder: its run folder.
        tree: its config.yaml.
        known: what reports know of it.
        sizes: labels in its rounds.
        accuracies: after them.
        picks: a digest of the bytes of its picks.csv.
    """

    folder: Path
    tree: dict[str, Any]
    known: Configuration
    sizes: tuple[int, ...]
    accuracies: tuple[float, ...]
    picks: str

    @property
    def seed(self) -> int:
        return self.known.seed

    @property
    def picks_path(self) -> Path:
        return self.folder / PICKS_FILE

    @property
    def acquisition(self) -> str:
        """The name of its acquisition, with a mark on one that looks at labels that nobody has bought."""
        name = self.known.choices["acquisition"]
        return f"{name} (oracle)" if "acquisition" in self.known.cheats else name

    @property
    def rule(self) -> dict[str, Any]:
        """How it chose its rows, by dotted key."""
        return part_of(leaves_of(self.tree), CHOICE)

    @property
    def whose(self) -> str:
        """What reports call its picks; it is the same for all seeds of one setting and for no other."""
        names = self.known.choices
        return f"{self.acquisition} of {names['model']}, {names['method']} ({self.known.setting[:6]})"

    @cached_property
    def trained_with_parts(self) -> bool:
        """Whether its acquisition trained something beside the network, which a replay does not."""
        acquisition = instantiate(OmegaConf.create(self.tree["acquisition"]))
        return isinstance(acquisition, Acquisition) and bool(acquisition.parts())


def trainer_leaves(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns what decides how a run trains, by dotted key, without what it trains on and how it chose that."""
    leaves = leaves_of(tree)
    left_out = part_of(leaves, (*CHOICE, *POOL, "budget", "data"))
    return {key: value for key, value in leaves.items() if key not in left_out}


def trainer_of(tree: dict[str, Any]) -> str:
    """Returns a digest of what decides how a run trains."""
    return digest(trainer_leaves(tree))


def read_sources(folders: Iterable[Path]) -> list[Source]:
    """Reads the runs at or below some folders, each once; runs that are replays themselves are left out.

    Raises:
        ValueError: if there is none, one is unfinished or damaged, or two cannot be compared.
    """
    folders = list(folders)
    found: dict[tuple[str, int, str], Source] = {}
    for path in find_run_folders(folders):
        tree = configuration(path)
        if (tree.get("choices") or {}).get("acquisition") != REPLAY:
            source = _source(path, tree)
            found.setdefault((source.known.setting, source.seed, source.picks), source)
    if not found:
        raise ValueError(
            f"{', '.join(map(str, folders))}: transfer wants finished runs whose rows an acquisition has chosen, found "
            "none"
        )
    sources = [*found.values()]
    _refuse_unlike(sources)
    return sources


def _source(path: Path, tree: dict[str, Any]) -> Source:
    try:
        read = read_folder(path)
    except DAMAGE as error:
        raise ValueError(f"{path}: {said(error)}; move it away or mend it") from error
    _refuse_unfinished(read)
    if tree.get("results") != RESULTS:
        raise ValueError(
            f"{printable(path.name)} was played by a calrun that measured otherwise (results: {tree.get('results')}, "
            f"now {RESULTS}), so that nothing played now could stand beside it; play it anew or leave it out"
        )
    sizes = tuple(int(line["labelled"]) for line in read.rounds)
    picks = read_picks(path / PICKS_FILE)
    if tuple(picks.ends) != sizes:
        raise ValueError(
            f"{path / PICKS_FILE} has {_listed(picks.ends)} rows after its rounds, but the run had {_listed(sizes)} "
            "labels; put back a copy that is whole"
        )
    with whole(path / PICKS_FILE):
        told = hashlib.sha256((path / PICKS_FILE).read_bytes()).hexdigest()[:8]
    return Source(path, tree, read.configuration, sizes, tuple(map(accuracy, read.rounds)), told)


def _refuse_unfinished(read: Folder) -> None:
    wanted = max([line.get("rounds") or len(read.rounds) for line in read.rounds], default=0)
    if not read.rounds or len(read.rounds) < wanted:
        raise ValueError(
            f"{printable(read.path.name)} is unfinished ({len(read.rounds)} of {wanted or '?'} rounds are there), and "
            "transfer plays the picks of whole runs; finish it or leave it out"
        )


def _refuse_unlike(sources: Sequence[Source]) -> None:
    """Refuses runs that are not on the same rows with the same budgets.

    Raises:
        ValueError: naming two of them, and in what they differ.
    """
    first = sources[0]
    by_seed: dict[int, Source] = {}
    for other in sources:
        names = f"{printable(first.folder.name)} and {printable(other.folder.name)}"
        if keys := _differing(part_of(first.known.leaves, POOL), part_of(other.known.leaves, POOL)):
            raise ValueError(
                f"{names} differ in {_listed(keys, SHOWN)}; transfer wants runs on the same data, with the same "
                "oracle, row transform and split"
            )
        like = by_seed.setdefault(other.seed, other)
        if like.tree.get("data_fingerprint") != other.tree.get("data_fingerprint"):
            raise ValueError(
                f"{printable(like.folder.name)} and {printable(other.folder.name)} were played on other data "
                f"({like.tree.get('data_fingerprint')} and {other.tree.get('data_fingerprint')}); transfer wants runs "
                "on the same rows"
            )
        if first.sizes != other.sizes:
            raise ValueError(
                f"{names} have other budgets ({_listed(first.sizes)} labels against {_listed(other.sizes)}); transfer "
                "compares budget by budget, so give it runs of the same"
            )


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _listed(values: Iterable[object], most: int = 6) -> str:
    shown = [*map(str, values)]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
