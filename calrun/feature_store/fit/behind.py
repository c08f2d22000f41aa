"""What lies behind the features that a run reads in place of its data set: the rows, and the backbone they pass once.

Dimension key: N rows, D features, C classes.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calrun.dataset.base import Dataset, Source
from calrun.feature_store.base import FeatureStore
from calrun.feature_store.fit.later import Later
from calrun.look.predict import Predictor
from calrun.machine.files import load_tensors, replace_tensors, whole
from calrun.method.base import Method
from calrun.model.adapt.memory_format import safe_channels_last
from calrun.model.base import Classifier

BACKBONE = "backbone.pt"  # of a run folder: with it and the state of a round the network is whole


@dataclass(frozen=True)
class Behind:
    """Rows and backbone of a run that trains a head on features.

    Args:
        data: the data set as it was read.
        features: the same data set, whose x are features.
        store: keeps them.
        net: the network whose backbone makes them.
        predictor: makes the passes.
        build_net: makes a whole network with new random weights.
    """

    data: Dataset
    features: Dataset
    store: FeatureStore
    net: Classifier
    predictor: Predictor
    build_net: Callable[[], Classifier]

    @classmethod
    def of(cls, method: Method, data: Dataset) -> "Behind":
        """Returns what lies behind the features of a data set; none of them is computed yet.

        Args:
            method: built on the data set itself.
            data: the data set.
        """
        setup, net = method.setup_, method.first_net(0)
        predictor = safe(setup.predictor, net)

        def later(source: Source) -> Source:
            return Later(source, lambda of: setup.feature_store.source(net, of, predictor))

        features = replace(
            data,
            train=later(data.train),
            tests={name: later(test) for name, test in data.tests.items()},
            val=None if data.val is None else later(data.val),
            further=FurtherLater(data.further, later),
            input_shape=(net.head.in_features,),
            vocabulary=None,
        )
        return cls(data, features, setup.feature_store, net, predictor, setup.build_net)

    @property
    def width(self) -> int:
        """The number of features D."""
        return self.net.head.in_features

    @property
    def named(self) -> dict[str, Later]:
        """The features of the pool, the validation split and the test sets, by name."""
        features = self.features
        sources = {"train": features.train, "val": features.val, **features.tests}
        return {name: source for name, source in sources.items() if isinstance(source, Later)}

    def compute(self) -> None:
        """Computes or opens the features, all but those of further test sets."""
        for source in self.named.values():
            source.found  # noqa: B018 - made by being looked at

    def missing(self) -> tuple[int, int]:
        """Returns how many rows still have to pass the backbone, and the bytes that their features will take."""
        store, predictor = self.store, self.predictor
        left = [store.missing(self.net, source.of, predictor) for source in self.named.values()]
        return sum(left), sum(rows * self.width * store.bytes_per_feature for rows in left)

    def build_head(self) -> Classifier:
        """Returns a network for features: the head, weights and all, that a whole new network would have."""
        net = self.build_net()
        alone = Classifier(nn.Identity(), net.head.in_features, net.head.out_features)
        alone.head = net.head
        return alone

    def keep_backbone(self, folder: Path) -> None:
        """Writes the backbone to a run folder, which then needs neither store nor checkpoint."""
        if not (folder / BACKBONE).exists():
            replace_tensors(folder / BACKBONE, {"backbone": on_host(self.net.backbone)})


class FurtherLater(Mapping[str, Source]):
    """Further test sets as features, made when they are looked at.

    Args:
        further: the test sets.
        later: returns a source's features.
    """

    def __init__(self, further: Mapping[str, Source], later: Any) -> None:
        self.further, self.later = further, later

    def __getitem__(self, name: str) -> Source:
        source: Source = self.later(self.further[name])
        return source

    def __iter__(self) -> Iterator[str]:
        return iter(self.further)

    def __len__(self) -> int:
        return len(self.further)


def safe(predictor: Predictor, net: Classifier) -> Predictor:
    """Returns a predictor for a backbone, which may be one that cannot run channels-last."""
    own = copy(predictor)
    own.channels_last = own.channels_last and safe_channels_last(net, own.device)
    return own


def completed(folder: Path, state: dict[str, Any]) -> dict[str, Any]:
    """Returns the state of a round with whole networks, where a run has trained a head on features."""
    path = folder / BACKBONE
    if not path.exists():
        return state
    with whole(path):
        backbone = {f"backbone.{name}": tensor for name, tensor in load_tensors(path)["backbone"].items()}
    nets = {name: state[name] for name in ("net", "previous") if state.get(name) is not None}
    return state | {name: backbone | net for name, net in nets.items()}


def on_host(module: nn.Module) -> dict[str, Tensor]:
    """Returns a module's state on the host."""
    return {name: tensor.detach().to(torch.empty(0).device) for name, tensor in module.state_dict().items()}
