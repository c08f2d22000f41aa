"""`calrun features compute`: the features that a configuration's runs will read.

Dimension key: N rows, D features.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from calrun.experiment import build
from calrun.feature_store.fit.behind import Behind
from calrun.feature_store.keep.kept import Kept
from calrun.feature_store.memmap import Memmap
from calrun.plan.plan import composed
from calrun.text.doing import now
from calrun.text.say import say
from calrun.training.trainer import silence_lightning

REFRESH_SECONDS, PIPED_SECONDS = 0.5, 60.0
GROUP = "feature_store="


def behind_of(words: Sequence[str], config_dir: Path | None) -> tuple[Behind, Memmap]:
    """Returns what lies behind the features of a configuration, and the store that keeps them.

    Raises:
        ValueError: if the configuration cannot work, or keeps none.
    """
    from calrun.cli import tidied  # here, because it imports these commands

    silence_lightning()
    chosen = any(word.startswith(GROUP) for word in words)
    exp = build(composed([*tidied([*words]), *([] if chosen else [f"{GROUP}memmap"])], config_dir))
    store = exp.method.setup_.feature_store
    if not isinstance(store, Memmap):
        raise ValueError(f"{type(store).__name__} keeps no features on disk; choose feature_store=memmap")
    return exp.behind or Behind.of(exp.method, exp.data), store


def compute_ahead(words: Sequence[str], config_dir: Path | None) -> None:
    """Computes what is missing, and says for each split where it lies."""
    behind, store = behind_of(words, config_dir)
    for name, source in behind.named.items():
        kept = Kept(store.folder, store.facts(behind.net, source.of, behind.predictor).id)
        was_there = kept.is_whole
        with shown(name):
            source.found  # noqa: B018 - made by being looked at
        size = f"{len(source):,} x {behind.width} {store.dtype}"
        say(f"{name}  {size}  {kept.path}  {'was there' if was_there else 'computed'}")


@contextmanager
def shown(name: str) -> Iterator[None]:
    """Shows how far a pass is: in a live line on a terminal, otherwise once a minute."""
    console, ended = Console(highlight=False, soft_wrap=True, markup=False, emoji=False), threading.Event()

    def follow() -> None:
        while not ended.wait(PIPED_SECONDS):
            say(f"{name}  {now.text}")

    def refresh() -> None:
        with console.status(Text(name)) as live:
            while not ended.wait(REFRESH_SECONDS):
                live.update(Text(f"{name}  {now.text}"))

    thread = threading.Thread(target=refresh if console.is_terminal else follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
