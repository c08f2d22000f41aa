"""Where the penultimate features of a network come from: a backbone that does not change sees each row once.

Dimension key: N rows of a source, D features.
"""

from abc import ABC, abstractmethod

from calrun.dataset.base import Source
from calrun.look.predict import Predictor
from calrun.model.base import Classifier


class FeatureStore(ABC):
    """Gives the features of rows, computed once or read from where they were kept.

    `in_fit` says whether a head that is trained alone learns from them, without the backbone; where training would
    augment its rows, that is refused unless `ignores_augmentation`.
    """

    in_fit: bool = False
    ignores_augmentation: bool = False
    bytes_per_feature: int = 4

    def missing(self, net: Classifier, source: Source, predictor: Predictor) -> int:
        """Returns how many rows would have to pass the network for their features."""
        return len(source)

    @abstractmethod
    def source(self, net: Classifier, source: Source, predictor: Predictor) -> Source:
        """Returns the same rows with the same targets, names and checksum, whose x are features.

        The x of a row is its penultimate features (D,) under `net` in evaluation mode and under the evaluation
        transform, as float32.

        Args:
            net: the network; its head plays no part.
            source: the rows.
            predictor: makes the pass, if one is needed.

        Raises:
            ValueError: if a feature is not finite.
        """
