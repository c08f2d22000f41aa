"""Selection via proxy: one network selects, another is trained to be evaluated.

Coleman et al. 2020 (SVP) let a smaller or shorter-trained network select; Wen et al. 2024 (SVPp), Sec. 3.1, let a
perceptron on stored features of the pre-trained network do so, and fine-tune the network at the evaluation points.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.look.candidates import gather
from calrun.look.view import View
from calrun.machine.files import load_tensors, readable, replace_tensors
from calrun.method.base import Fit, Method
from calrun.method.composed import Composed
from calrun.method.fit.scale import scaled
from calrun.method.proxy.sight import Sight
from calrun.model.base import Classifier
from calrun.parallel import world
from calrun.part.figures import EpochFigures
from calrun.part.part import Part
from calrun.part.setup import FitResult, FitWork, Setup, Work
from calrun.round import Round

FULL = "full"


class Svp(Method):
    """Trains a proxy in every round, which answers for the candidates, and the full network where it is evaluated.

    Args:
        proxy: makes the method that trains the proxy.
        full: makes the method that trains the full network.
        sight: what the proxy sees.
        evaluate_at: the rounds in which the full network is trained and evaluated: `every`, only the `last`, or those
            with these numbers of labels and the last. The line of another round has no metrics.
        setup: what the run gives its method.
        more: further ways to train the full network, by name, for a method that changes between them.
    """

    reads_features = True

    def __init__(
        self,
        proxy: Callable[..., Composed],
        full: Callable[..., Composed],
        sight: Sight,
        evaluate_at: Literal["every", "last"] | Sequence[int],
        setup: Setup,
        more: Mapping[str, Callable[..., Composed]] | None = None,
    ) -> None:
        self.setup_, self.sight = setup, sight
        self.evaluate_at = counts_of("method.evaluate_at", evaluate_at, ("every", "last"), setup.scale)
        self.ways = {name: make(setup=setup) for name, make in {FULL: full, **(more or {})}.items()}
        self.way = self.trained = FULL  # how the full network is trained now, and how it was when it last was
        first_phase = max(len(way.phases) for way in self.ways.values())
        self.proxy = proxy(setup=sight.setup(setup, self.ways[FULL], first_phase))
        self.evaluates, self.work = True, Work()

    @property
    def full(self) -> Composed:
        """The way in which the full network is trained now."""
        return self.ways[self.way]

    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        self.proxy.attach(parts, keeps_previous)

    def begin_round(self, this_round: Round) -> None:
        self._lay_out()
        self.work = Work()
        self.work.samples_forward += self.sight.num_computed(this_round.number)
        self.evaluates = self._evaluates_in(this_round)
        self.sight.begin_round(self.full, this_round)

    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        results = {}
        if self.evaluates or self.wants_full():
            results["train_full"] = self._fitted(FULL, self.full, fit, this_round)
            self.trained = self.way
        self.after_full(this_round)
        results["train_proxy"] = self._fitted("proxy", self.proxy, fit, this_round)
        return joined(results, self.sight.seconds)

    def wants_full(self) -> bool:
        """Tells whether the full network is trained in this round for another reason than being evaluated."""
        return False

    def after_full(self, this_round: Round) -> None:
        """Is called when the full network has been trained, if this round wants that, and the proxy has not been."""

    def is_evaluated(self) -> bool:
        return self.evaluates

    def evaluated(self) -> Classifier:
        return self.ways[self.trained].net

    def is_evaluated_each_round(self) -> bool:
        return self.evaluate_at == "every"

    def answering(self) -> Classifier:
        return self.proxy.net

    def candidates(self, acquisition: Acquisition, this_round: Round) -> Candidates:
        self.sight.open(self.full, this_round)
        return self.proxy.candidates(acquisition, this_round, self.ways[self.trained].view(this_round))

    def initial_candidates(self, acquisition: Acquisition, before: Round) -> Candidates:
        """Returns all rows as the proxy will see them, with its input as their features."""
        if any(column.of is not None for column in acquisition.wanted()):
            self.sight.open(self.full, before)
        own = self.proxy.setup_
        if own.train is self.setup_.train:
            return self.ways[FULL].initial_candidates(acquisition, before)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(before.torch_seed("model"))
            net = Classifier(nn.Identity(), self.evaluated().head.in_features, own.num_classes)
        view = View(net, own.train, own.val, own.predictor, before, net)
        return gather(view, acquisition.wanted(), acquisition.num_mc_samples)

    def notes(self) -> dict[str, float]:
        return {**self.proxy.notes(), **(self.full.notes() if self.evaluates else {}), **self.sight.notes()}

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        unmet = [*strangers("method.evaluate_at", self.evaluate_at, sizes), *of_pixels(self.setup_)]
        ways = [problem for way in self.ways.values() for problem in way.problems(sizes, input_shape)]
        return list(dict.fromkeys([*unmet, *ways, *self.proxy.problems(sizes, input_shape)]))

    def first_net(self, seed: int) -> Classifier:
        return self.ways[FULL].first_net(seed)

    def wants_weights(self, where: str = "method") -> list[str]:
        return self.ways[FULL].wants_weights(f"{where}.{FULL}")

    def looking(self, number: int) -> tuple[Classifier, Setup] | None:
        own = self.proxy.setup_
        if number:
            return self.proxy.net, own
        return (self.ways[FULL].net, self.setup_) if own.train is self.setup_.train else None

    def planned(self, this_round: Round) -> FitWork:
        """Returns the work of the full network where it is trained, and that of the proxy beside it."""
        return self._planned(this_round, self.ways[FULL], self._evaluates_in(this_round), 0)

    def _planned(self, this_round: Round, full: Composed, trains_full: bool, looks: int) -> FitWork:
        work = full.planned(this_round) if trains_full else FitWork()
        looks += work.looks + self.sight.num_computed(this_round.number)
        return replace(work, looks=looks, proxy=self.proxy.planned(this_round))

    def carried(self) -> dict[str, Any]:
        trained = self.ways[self.trained]
        return {
            "proxy": self.proxy.carried(),
            "full": trained.carried(),
            "trained": self.trained,
            "evaluates": self.evaluates,
            "sight": self.sight.carried(self.ways[FULL]),
        }

    def restore(self, carried: dict[str, Any]) -> None:
        self._lay_out()
        self.trained, self.evaluates = carried["trained"], carried["evaluates"]
        self.proxy.restore(carried["proxy"])
        self.ways[self.trained].restore(carried["full"])
        self.sight.restore(carried["sight"], self.ways[FULL])

    def _evaluates_in(self, this_round: Round) -> bool:
        """Tells whether a round is evaluated; the one that buys nothing more always is.

        Differs from asking for the number of rounds: that would be part of what a run is, and no other round depends on
        whether this one is evaluated.
        """
        return not this_round.budget or wanted_at(self.evaluate_at, this_round, "every")

    def _lay_out(self) -> None:
        """Keeps the proxy's pictures as the run keeps its own, which is only known once the networks are there."""
        self.proxy.setup_.channels_last = self.setup_.channels_last

    def _fitted(self, name: str, method: Composed, fit: Fit, this_round: Round) -> FitResult:
        """Trains one of the networks in a folder of its own, or takes what a killed attempt has trained to its end."""
        inner = replace(this_round, folder=this_round.folder / name)
        method.begin_round(inner)
        done = inner.folder / "phase-done.pt"
        if state := readable(done, load_tensors, "this fit is made again"):
            method.restore(state["carried"])
            method.work, result = Work(**state["work"]), result_of(state["result"])
        else:
            result = method.train_round(fit, inner)
            if name == FULL:  # the proxy's is followed by nothing that takes long
                _keep(done, method, result)
        self.work = added(self.work, method.work)
        return result


def _keep(done: Path, method: Composed, result: FitResult) -> None:
    if world.is_first():
        done.parent.mkdir(parents=True, exist_ok=True)
        state = {"carried": method.carried(), "work": asdict(method.work), "result": asdict(result)}
        replace_tensors(done, state)


def result_of(state: dict[str, Any]) -> FitResult:
    """Returns the result that was kept as plain values."""
    return FitResult(**{**state, "epochs": [EpochFigures(**figures) for figures in state["epochs"]]})


def added(first: Work, second: Work) -> Work:
    """Returns the work of two networks."""
    ours, theirs = asdict(first), asdict(second)
    return Work(**{name: ours[name] + theirs[name] for name in ours})


def joined(results: Mapping[str, FitResult], precompute: float) -> FitResult:
    """Returns the result of a round: the first network's, with the seconds, energy and warnings of all."""
    first, *others = results.values()
    seconds = {**{name: result.seconds for name, result in results.items()}, "precompute": precompute}
    return replace(
        first,
        seconds=sum(seconds.values()),
        seconds_of=seconds,
        energy_kwh=sum((result.energy_kwh for result in others), first.energy_kwh),
        epochs=[figures for result in results.values() for figures in result.epochs],
        warning="; ".join(result.warning for result in results.values() if result.warning),
    )


def counts_of(option: str, came: str | Sequence[int], words: Sequence[str], scale: float) -> str | tuple[int, ...]:
    """Returns a word that stands for rounds, or numbers of labels, scaled as the budget is.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(came, str) and came in words:
        return came
    numbers = list(came) if isinstance(came, Sequence) and not isinstance(came, str) else []
    if not numbers or any(isinstance(each, bool) or not isinstance(each, int) or each < 1 for each in numbers):
        raise ValueError(f"{option} wants {', '.join(words)} or a list of numbers of labels, got {came!r}")
    return tuple(scaled(sorted(set(numbers)), scale))


def wanted_at(at: str | tuple[int, ...], this_round: Round, always: str) -> bool:
    """Tells whether something is wanted in a round: in all of them, or at its number of labels."""
    return at == always if isinstance(at, str) else this_round.pool.num_bought in at


def strangers(option: str, at: str | tuple[int, ...], sizes: Sequence[int]) -> list[str]:
    """Returns one sentence if numbers of labels are those of no round; a budget that cannot be spent says so itself."""
    unknown = [] if isinstance(at, str) or not sizes else sorted(set(at) - set(sizes))
    if not unknown:
        return []
    return [f"{option} names {unknown} labels, but the rounds have {list(sizes)}; choose among these"]


def of_pixels(setup: Setup) -> list[str]:
    """Returns one sentence if labels are of pixels: a proxy sees one feature vector of each row."""
    if setup.train.targets.ndim == 1:
        return []
    return [
        "method: a proxy learns one class of each row from its features, but this data set has a class for each pixel; "
        "choose a method that trains one network, such as al or cal_er"
    ]
