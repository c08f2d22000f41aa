"""A method put together from pieces: where weights start, which rows a step visits, which loss it lowers.

Das et al. 2023 (CAL), Alg. 2. The pieces are separable, so that a new combination is a YAML. This module holds what
belongs to a round: weights, parts and what the next round needs. The steps of a fit are in calrun/method/fit/module.py.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.feature_store.keep.facts import weights_digest
from calrun.look.candidates import gather
from calrun.look.view import View
from calrun.method.base import Fit, Method
from calrun.method.fit.last_batch import least_normalised, no_steps
from calrun.method.fit.module import FitModule
from calrun.method.fit.one_row import one_row_passes
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.stop import StoppingRule
from calrun.method.objective import Objective
from calrun.method.phase import Phase
from calrun.method.start import Start
from calrun.method.visit import Visit
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.piece import Piece
from calrun.part.setup import BACKWARD, FitResult, FitWork, Setup, Work
from calrun.round import Round
from calrun.text.legal import is_a


class Composed(FitModule, Method):
    """Trains one network, round after round.

    Args:
        start: sets the weights at the start of a round.
        visit: chooses the rows of each step.
        objective: the loss of a step.
        optimizer: new in every round.
        stop: ends the fits of a round.
        setup: what the run gives its method.
        phases: the fits of a round, one after the other.
        parts: modules that train beside the network or watch it, by name.
    """

    def __init__(  # noqa: PLR0913 - the pieces of a method, all named
        self,
        start: Start,
        visit: Visit,
        objective: Objective,
        optimizer: OptimizerFactory,
        stop: StoppingRule,
        setup: Setup,
        phases: Sequence[Phase] = (Phase(),),
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        for name, piece, kind in (
            ("start", start, Start),
            ("visit", visit, Visit),
            ("objective", objective, Objective),
        ):
            is_a(f"method.{name}", piece, kind)
        if not phases:
            raise ValueError("method.phases is empty, but a round wants one fit or more; name a phase or leave it out")
        super().__init__(visit, objective, optimizer, phases, setup)
        self.start, self.stop = start, stop
        objective.begin_run(setup.task, len(setup.train), setup.num_classes)
        visit.begin_run(setup.task, setup.last_batch)
        self.previous: Classifier | None = None
        self.keeps_previous = False
        self.attach(parts or {}, keeps_previous=False)

    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        for name, part in parts.items():
            if name in self.parts:
                raise ValueError(f"two parts of the method are called {name!r}; give one another name")
            is_a(f"part {name!r}", part, Part)
            refuse_parameters(name, part)
            for phase in self.phases:
                part.own_optimizer.refuse_unfit((phase.optimizer or self.optimizer).optimizer)
            self.net.tap(part.taps)
            with torch.random.fork_rng(devices=[]):
                part.build(self.net, self.setup_)
            self.parts[name] = part
        self.keeps_previous |= keeps_previous

    def begin_round(self, this_round: Round) -> None:
        self.this_round, self.work, self.ended = this_round, Work(), dict[str, float]()
        fresh, first = self.fresh_net(this_round), this_round.number == 1
        self.net.to(next(fresh.parameters()).device)
        before = deepcopy(self.net) if self.keeps_previous and not first else None
        (self.start.first if first else self.start.apply)(self.net, fresh)
        if self.keeps_previous:
            self.previous = before or deepcopy(self.net)
        if first or not self.start.remembers:
            self._fresh_parts(this_round)
        self._lay_out()
        for piece in self.pieces.values():
            piece.begin_round(this_round)
        known_N = this_round.pool.nothing if self.setup_.train.brings_labels else this_round.pool.known_targets()
        self.known_targets_N = torch.from_numpy(known_N)

    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        return fit(self, this_round)

    @property
    def works_on(self) -> bool:
        """Whether a piece has work to do when the fits of a round have ended."""
        return any(type(piece).end_round is not Piece.end_round for piece in self.pieces.values())

    def end_round(self) -> None:
        """Lets the pieces look once more, for instance to store the targets of the newest rows."""
        for piece in self.pieces.values():
            piece.end_round(self.look, self.this_round)

    def evaluated(self) -> Classifier:
        return self.net

    def candidates(self, acquisition: Acquisition, this_round: Round, beside: View | None = None) -> Candidates:
        self.parts.to(self.setup_.predictor.device).eval()
        view = replace(self.view(this_round), beside=beside)
        return gather(view, acquisition.wanted(), acquisition.num_mc_samples)

    def view(self, this_round: Round) -> View:
        """Returns what columns of the trained network are made from."""
        setup = self.setup_
        return View(self.net, setup.train, setup.val, setup.predictor, this_round, self.previous)

    def initial_candidates(self, acquisition: Acquisition, before: Round) -> Candidates:
        """Returns all rows through a new network, with a checkpoint's features if the start rule has one."""
        net = self.fresh_net(before)
        self.start.first(net, self.fresh_net(before))
        view = replace(self.view(before), net=net, previous=net)
        return gather(view, acquisition.wanted(), acquisition.num_mc_samples)

    def notes(self) -> dict[str, float]:
        notes = {name: value for piece in self.pieces.values() for name, value in piece.notes().items()}
        return {**notes, **self.ended, **({"restarts": float(self.work.restarts)} if self.work.restarts else {})}

    def renew_weights(self, purpose: str) -> None:
        self.start.first(self.net, self.fresh_net(self.this_round, purpose))

    def fresh_net(self, this_round: Round, purpose: str = "model") -> Classifier:
        """Returns a new network; its weights depend on the seed and the round alone, not on the method."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(this_round.torch_seed(purpose))
            net = self.setup_.build_net()
        net.tap(self.net.tap_names)
        return net

    def first_net(self, seed: int) -> Classifier:
        net = super().first_net(seed)
        self.start.first(net, net)
        return net

    def moves_backbone(self) -> list[str]:
        phases = {number: phase.moves_backbone(self.net) for number, phase in enumerate(self.phases, start=1)}
        reasons = [f"phase {number} of the method {clause}" for number, clause in phases.items() if clause]
        if self.start.of_head() is None:
            reasons.append(f"its start, {type(self.start).__name__}, may change it in every round")
        elif is_random(self):
            reasons.append(
                "it is random, another one in each round (give it weights: method.start.path or model.pretrained=true)"
            )
        return reasons + [f"its part {name!r} taps it" for name, part in self.named_parts.items() if part.taps]

    def wants_weights(self, where: str = "method") -> list[str]:
        return [f"{where}.start.path=FILE"] if self.start.wants_path else []

    def stop_rules(self, number: int) -> list[StoppingRule]:
        """Returns the rules that end the phases of a round."""
        rules = [(phase.stop or self.stop).in_round(number) for phase in self.phases]
        return [rule.scaled(self.setup_.scale) for rule in rules]

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        problems = self.start.problems(self.net)
        rules = [rule for number in (1, 2) for rule in self.stop_rules(number)]
        if any(rule.needs_validation for rule in rules) and self.setup_.val is None:
            problems.append(
                "the stopping rule looks at a validation split, but this data set has none; set val_fraction above 0 "
                "or choose another stop"
            )
        if self.visit.replay_size and not self.start.remembers:
            problems.append(
                f"the method replays {self.visit.replay_size} old rows a step, but each round starts from weights that "
                "never saw them; choose a method that continues from the last weights, such as cal_er"
            )
        problems += no_steps(self.visit, self.setup_, sizes)
        if self._freezes_batch_norm():
            return problems
        return problems + one_row_passes(self.net, self.visit, self.setup_, sizes)

    def planned(self, this_round: Round) -> FitWork:
        setup, visit, rules = self.setup_, self.visit, self.stop_rules(this_round.number)
        steps = visit.epoch(this_round, 0, setup.batch_size)
        num_val = 0 if setup.val is None else len(setup.val)
        samples = sum(len(step.current) + len(step.replay) for step in steps)
        return FitWork(
            steps=len(steps),
            samples=samples,
            passes=sum(self._passes_of_step(len(step.current), len(step.replay)) for step in steps),
            epochs=sum(rule.max_epochs for rule in rules),
            looks=self.objective.rows_to_store(len(this_round.current_rows))
            + sum((phase.optimizer or self.optimizer).rows_to_pass(samples) for phase in self.phases)
            + num_val * sum(rule.max_epochs for rule in rules if rule.needs_validation),
            stored_bytes=self.objective.stored_bytes(len(this_round.pool.labelled)),
            least_normalised=None if self._freezes_batch_norm() else least_normalised(self.net, visit, setup, steps),
        )

    def carried(self) -> dict[str, Any]:
        """Returns what the next round needs: weights, parts, and what the pieces carry on."""
        previous = None if self.previous is None else on_host(self.previous)
        pieces = {name: piece.carried() for name, piece in self.pieces.items()}
        modules = {"net": on_host(self.net), "parts": on_host(self.parts), "previous": previous}
        return {**modules, "pieces": pieces, "ended": self.ended}

    def restore(self, carried: dict[str, Any]) -> None:
        self.net.load_state_dict(carried["net"])
        self.parts.load_state_dict(carried["parts"])
        self.ended = carried["ended"]
        if carried["previous"] is not None:
            self.previous = deepcopy(self.net)
            self.previous.load_state_dict(carried["previous"])
        self._lay_out()  # or the next scores would differ in their last bits from those of an unbroken run
        for name, piece in self.pieces.items():
            piece.restore(carried["pieces"].get(name, {}))

    def _lay_out(self) -> None:
        for net in filter(None, (self.net, self.previous)):
            if self.setup_.channels_last:
                net.to(memory_format=torch.channels_last)

    def _fresh_parts(self, this_round: Round) -> None:
        for name, part in self.named_parts.items():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(this_round.torch_seed(f"part {name}"))
                part.build(self.net, self.setup_)

    def _freezes_batch_norm(self) -> bool:
        return all(phase.freeze_batch_norm for phase in self.phases)

    def _passes_of_step(self, current: int, drawn: int) -> int:
        """Returns the rows that a step sends through the network; each one sent backward counts `BACKWARD` times."""
        visit = self.visit
        if drawn <= visit.replay_size:
            return (1 + BACKWARD) * (current + drawn)
        forward, backward = visit.choose.cost(current, drawn)
        return (1 + BACKWARD) * (current + visit.replay_size) + forward + BACKWARD * backward


def is_random(method: Method) -> bool:
    """Tells whether a run's first backbone depends on the seed: nothing has given it weights."""
    return weights_digest(method.first_net(0)) != weights_digest(method.first_net(1))


def refuse_parameters(name: str, part: Part) -> None:
    """Raises a ValueError if a part has parameters before it is built: no seed made them, and no round renews them."""
    early = [parameter for parameter, _ in part.named_parameters()]
    if early:
        raise ValueError(
            f"part {name!r} ({type(part).__name__}) has {len(early)} parameters before its build was called (first: "
            f"{early[:5]}); make them in build, where random numbers are seeded"
        )


def on_host(module: nn.Module) -> dict[str, Tensor]:
    """Returns a copy of a module's state that later training does not change."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
