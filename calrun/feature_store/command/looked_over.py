"""`calrun features list`, `verify` and `remove`.

Dimension key: S rows of a sample, D features.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from calrun.feature_store.command.ahead import behind_of
from calrun.feature_store.fit.behind import Behind
from calrun.feature_store.keep.checked import map_checksum, other_checksum
from calrun.feature_store.keep.facts import Facts
from calrun.feature_store.keep.kept import Kept, all_kept
from calrun.feature_store.keep.lock import is_locked, locked
from calrun.feature_store.memmap import Memmap
from calrun.look.predict import features
from calrun.plan.plan import composed
from calrun.text.say import say
from calrun.text.words import SEPARATOR

SAMPLED_ROWS = 64
PLACE = "paths.features="
TOLERANCE = {"float32": 1e-4, "float16": 4e-3}  # of the largest feature of the sample


def list_all(words: Sequence[str]) -> None:
    """Prints a line for each set of features."""
    folder = folder_of(words)
    found = [*all_kept(folder)]
    for kept in found:
        say("  ".join([kept.id, *described(kept)]))
    if not found:
        say(f"there are no features in {folder}")


def described(kept: Kept) -> list[str]:
    """Returns what features are, in words."""
    try:
        said = kept.said()
    except ValueError as error:
        return [str(error)]
    facts, done = Facts.parsed(said), kept.passed()
    size = (facts.rows if kept.is_whole else done) * facts.width * np.dtype(facts.dtype).itemsize
    how_far = damage(kept) or "whole" if kept.is_whole else f"{done:,} of {facts.rows:,} rows ({done / facts.rows:.0%})"
    what = f"{said.get('what') or '?'}  {facts.rows:,} x {facts.width} {facts.dtype}"
    return [what, f"{size / 2**20:,.1f} MiB", how_far]


def damage(kept: Kept) -> str:
    """Returns what is wrong with a whole map at first sight, without reading it; as a rule, nothing."""
    try:
        kept.opened()
    except ValueError as error:
        return f"damaged: {error}"
    return ""


def verify(words: Sequence[str], config_dir: Path | None) -> None:
    """Says of each set of features that it is what it was.

    Raises:
        ValueError: with what is wrong, for each that is not.
    """
    ids, others = split_words(words)
    sampled = {}
    if any(not word.startswith(PLACE) for word in others):
        behind, store = behind_of(others, config_dir)
        sampled = {kept.id: largest for kept, largest in differences(behind, store)}
        ids, folder = ids or [*sampled], store.folder
    else:
        folder = folder_of(others)
    wrong, found = [], [*(chosen(folder, ids) if ids else all_kept(folder))]
    if not found:
        say(f"there are no features in {folder}")
    for kept in found:
        if not kept.is_whole:
            problem, state = of_unfinished(kept, kept.id in ids)
        else:
            problem = unsound(kept) or sampled.get(kept.id, "")
            state = f"as it was computed{'  (rows compared)' if kept.id in sampled else ''}"
        if problem:
            wrong.append(f"{kept.id}: {problem}")
        else:
            say(f"{kept.id}  {state}")
    if wrong:
        raise ValueError(SEPARATOR.join(wrong))


def of_unfinished(kept: Kept, is_named: bool) -> tuple[str, str]:
    """Returns what is wrong with features that are not whole, and how they stand.

    No run reads them before they are whole, so that they are a fault only where somebody asks for them by name, and not
    while a process computes them.
    """
    try:
        far = f"{kept.passed():,} of {kept.said()['rows']:,} rows"
    except ValueError as error:
        return str(error), ""
    if is_locked(kept.lock):
        return "", f"is being computed ({far})"
    removal = f"calrun features remove {kept.id} {PLACE}{kept.folder}"
    state = f"unfinished ({far}); a run that wants it goes on with it, and {removal} removes it"
    return (state, "") if is_named else ("", state)


def unsound(kept: Kept) -> str:
    """Returns what is wrong with whole features, nothing if they have their checksum."""
    try:
        if Facts.parsed(kept.said()).id != kept.id:
            return f"{kept.sidecar} describes something else than its name stands for; {kept.remedy}"
        return other_checksum(kept, map_checksum(kept.opened()))
    except ValueError as error:
        return str(error)


def differences(behind: Behind, store: Memmap) -> Iterator[tuple[Kept, str]]:
    """Yields the features of each split of a configuration, with what is wrong with a sample of their rows.

    Raises:
        ValueError: if a split has none.
    """
    for name, source in behind.named.items():
        kept = Kept(store.folder, store.facts(behind.net, source.of, behind.predictor).id)
        if not kept.is_whole:
            raise ValueError(f"{name} of this configuration has no whole features in {store.folder} ({kept.id})")
        rows = np.unique(np.linspace(0, len(source) - 1, min(SAMPLED_ROWS, len(source))).astype(np.int64))
        now_SD = behind.predictor(behind.net, source.of, rows, {"features": features})["features"]
        kept_SD = torch.from_numpy(np.asarray(kept.opened()[rows], dtype=np.float32))
        largest = float((now_SD - kept_SD).abs().max() / now_SD.abs().max().clamp_min(1e-12))
        worse = largest > TOLERANCE[store.dtype]
        yield kept, f"rows differ from those of a new pass by up to {largest:.1%}; {kept.remedy}" if worse else ""


def remove(words: Sequence[str]) -> None:
    """Removes features.

    Raises:
        ValueError: if an id is unknown, or a process is computing them.
    """
    ids, others = split_words(words)
    if not ids:
        raise ValueError("calrun features remove wants ids; calrun features list shows them")
    for kept in chosen(folder_of(others), ids):

        def refuse(kept: Kept = kept) -> None:
            raise ValueError(f"{kept.id} is being computed by another process; end that first")

        with locked(kept.lock, refuse):
            kept.remove()
        say(f"{kept.id}  removed")


def chosen(folder: Path, ids: Sequence[str]) -> list[Kept]:
    """Returns the features with these ids.

    Raises:
        ValueError: if there are none.
    """
    known = {kept.id: kept for kept in all_kept(folder)}
    unknown = [name for name in ids if name not in known]
    if unknown:
        there = f"there are {', '.join(known)}" if known else "there are none"
        raise ValueError(f"{folder} has no features {', '.join(unknown)}; {there}")
    return [known[name] for name in dict.fromkeys(ids)]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the ids among some words, and the others."""
    others = [word for word in words if "=" in word or word.startswith("~")]
    return [word for word in words if word not in others], others


def folder_of(words: Sequence[str]) -> Path:
    """Returns where features lie.

    Raises:
        ValueError: if a word is something else than a key with a value, or what it names is no folder.
    """
    ids, others = split_words(words)
    if ids:
        raise ValueError(f"calrun features list takes KEY=VALUE, got {ids[0]!r}")
    folder = Path(str(composed(others).paths.features)).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"paths.features={folder} is a file; name the folder of features")
    return folder
