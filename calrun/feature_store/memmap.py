"""Features kept as a memory-mapped array on disk, for all runs and experiments that look through the same backbone.

Dimension key: N rows of a source, D features.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from calrun.dataset.base import Source
from calrun.dataset.source.features import Features
from calrun.feature_store.base import FeatureStore
from calrun.feature_store.keep.checked import refuse_changed
from calrun.feature_store.keep.facts import Facts, facts_of
from calrun.feature_store.keep.kept import Kept
from calrun.feature_store.keep.lock import locked
from calrun.feature_store.keep.passed import fill
from calrun.look.predict import Predictor
from calrun.model.base import Classifier
from calrun.text.doing import now
from calrun.text.legal import one_of


class Memmap(FeatureStore):
    """Computes the features of all rows once; afterwards they are read from where they lie.

    They are known by what decides them (`Facts`), so that nothing has to be chosen or cleared. Of several processes
    that want the same, one makes the pass, and the others wait. A pass that was killed goes on where it was. What is
    read has the checksum that was computed, or is refused.

    Args:
        folder: where they lie.
        dtype: of the stored numbers; half precision takes half the room and keeps three decimal digits.
        augment: what happens where training would augment its rows, or the frozen backbone be random: `refuse`, or
            `ignore`, by which the head learns from the features of the evaluation transform.
        content: a digest of the data set's files, from the run.
        reading: a digest of how the data set's option reads them, from the run.
        what: a name for people, from the run.
    """

    in_fit = True

    def __init__(
        self,
        folder: str,
        dtype: Literal["float16", "float32"],
        augment: Literal["refuse", "ignore"],
        content: str = "",
        reading: str = "",
        what: str = "",
    ) -> None:
        one_of("feature_store.dtype", dtype, ("float16", "float32"))
        one_of("feature_store.augment", augment, ("refuse", "ignore"))
        self.folder, self.dtype, self.ignores_augmentation = Path(folder).expanduser(), dtype, augment == "ignore"
        self.bytes_per_feature = np.dtype(dtype).itemsize
        self.content, self.reading, self.what = content, reading, what

    def source(self, net: Classifier, source: Source, predictor: Predictor) -> Source:
        facts = self.facts(net, source, predictor)
        kept = Kept(self.folder, facts.id)
        if not kept.is_whole:
            self._compute(kept, facts, net, source, predictor)
        kept.refuse_other(facts)
        mapped = kept.opened()
        refuse_changed(kept, mapped)
        return Features(source, torch.from_numpy(mapped))

    def missing(self, net: Classifier, source: Source, predictor: Predictor) -> int:
        kept = Kept(self.folder, self.facts(net, source, predictor).id)
        return 0 if kept.is_whole else len(source) - kept.passed()

    def facts(self, net: Classifier, source: Source, predictor: Predictor) -> Facts:
        """Returns what decides the features of these rows."""
        return facts_of(net, source, self.content, self.reading, self.dtype, predictor.precision)

    def _compute(self, kept: Kept, facts: Facts, net: Classifier, source: Source, predictor: Predictor) -> None:
        def wait() -> None:
            now.text = f"features of {facts.rows:,} rows are computed by another process ({kept.passed():,} written)"

        try:
            with locked(kept.lock, wait):
                if not kept.is_whole:
                    fill(kept, facts, net, source, predictor, self.what)
                kept.lock.unlink(missing_ok=True)
        finally:
            now.text = ""
