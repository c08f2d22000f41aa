"""A method put together from pieces: where weights start, which rows a step visits, which loss it lowers.

Das et al. 2023 (CAL), Alg. 2. The pieces are separable, so that a new combination is a YAML; this module holds the
mechanics that all of them share: steps, running accuracy, counts of work, and what is carried from round to round.

Dimension key: N rows of the training set, B batch, C classes, T steps of a block.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.dataset.base import Block, Shot
from calrun.look.candidates import View, gather
from calrun.look.predict import LOGITS, Seen
from calrun.method.base import Fit, Method
from calrun.method.fit.optimizer import Recipe
from calrun.method.fit.stop import EpochFigures, StoppingRule
from calrun.method.objective import Objective
from calrun.method.part.batch import Batch
from calrun.method.part.one_row import one_row_passes
from calrun.method.part.part import Part
from calrun.method.part.piece import Piece
from calrun.method.part.setup import BACKWARD, FitResult, PlannedFit, Setup, Work
from calrun.method.phase import Phase
from calrun.method.start import Start
from calrun.method.visit import Visit
from calrun.model.base import Classifier, Output
from calrun.round import Round


class Composed(pl.LightningModule, Method):
    """Trains one network, round after round.

    Args:
        start: sets the weights at the start of a round.
        visit: plans the rows of each step.
        objective: the loss of a step.
        optimizer: new in every round.
        stop: ends the fits of a round.
        phases: the fits of a round, one after the other.
        parts: modules that train beside the network or watch it, by name.
    """

    def __init__(  # noqa: PLR0913 - the pieces of a method, all named
        self,
        start: Start,
        visit: Visit,
        objective: Objective,
        optimizer: Recipe,
        stop: StoppingRule,
        setup: Setup,
        phases: Sequence[Phase] = (Phase(),),
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.start, self.visit, self.objective, self.optimizer, self.setup_ = start, visit, objective, optimizer, setup
        self.stop, self.phases = stop, tuple(phases)
        self.net = setup.build_net()
        objective.begin_run(setup.task, len(setup.train), setup.num_classes)
        self.parts = nn.ModuleDict()
        self.previous: Classifier | None = None
        self.keeps_previous = False
        self.attach(parts or {}, keeps_previous=False)
        self.phase_number = self.epoch = 0
        self.work = Work()

    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        for name, part in parts.items():
            if name in self.parts:
                raise ValueError(f"two parts of the method are called {name!r}; give one another name")
            self.net.tap(part.taps)
            with torch.random.fork_rng(devices=[]):
                part.build(self.net, self.setup_)
            self.parts[name] = part
        self.keeps_previous |= keeps_previous

    @property
    def phase(self) -> Phase:
        """The fit of the round that is under way."""
        return self.phases[self.phase_number]

    @property
    def named_parts(self) -> dict[str, Part]:
        """The modules beside the network, by name."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Part)}

    @property
    def pieces(self) -> dict[str, Piece]:
        """Everything that is told how a fit goes, by name."""
        parts = {f"part {name}": part for name, part in self.named_parts.items()}
        return {"visit": self.visit, "objective": self.objective, **parts}

    # --- a round ---

    def begin_round(self, this_round: Round) -> None:
        self.this_round, self.work = this_round, Work()
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
        self.known_targets_N = torch.from_numpy(this_round.pool.known_targets())

    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        return fit(self, this_round)

    def end_round(self) -> None:
        """Lets the pieces look once more, as the targets of the newest rows are stored."""
        for piece in self.pieces.values():
            piece.end_round(self.look, self.this_round)

    def evaluated(self) -> Classifier:
        return self.net

    def candidates(self, acquisition: Acquisition, this_round: Round) -> Candidates:
        self.parts.to(self.setup_.predictor.device).eval()
        return gather(View(self.net, self.setup_, this_round, self.previous), acquisition)

    def initial_candidates(self, acquisition: Acquisition, before: Round) -> Candidates:
        """Returns all rows through a new network, with a checkpoint's features if the start rule has one."""
        net = self.fresh_net(before)
        self.start.first(net, self.fresh_net(before))
        return gather(View(net, self.setup_, before, net), acquisition)

    def notes(self) -> dict[str, float]:
        return {name: value for piece in self.pieces.values() for name, value in piece.notes().items()}

    def look(
        self, rows: np.ndarray, columns: Mapping[str, Callable[[Seen], Tensor]] | None = None
    ) -> dict[str, Tensor]:
        """Returns columns of training rows, in evaluation mode and transform; the pass counts as work."""
        self.work.samples_forward += len(rows)
        return self.setup_.predictor(self.net, self.setup_.train, rows, columns or LOGITS)

    def fresh_net(self, this_round: Round) -> Classifier:
        """Returns a new network; its weights depend on the seed and the round alone, not on the method."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(this_round.torch_seed("model"))
            net = self.setup_.build_net()
        net.tap(self.net.tap_names)
        return net

    def stop_rules(self, number: int) -> list[StoppingRule]:
        """Returns the rules that end the phases of a round."""
        rules = [(phase.stop or self.stop).in_round(number) for phase in self.phases]
        return [rule.scaled(self.setup_.scale) for rule in rules]

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        problems = []
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
        return problems + one_row_passes(self, sizes, input_shape)

    def planned(self, this_round: Round) -> PlannedFit:
        setup, visit, rules = self.setup_, self.visit, self.stop_rules(this_round.number)
        steps = visit.epoch(this_round, 0, setup.batch_size)
        num_val = 0 if setup.val is None else len(setup.val)
        return PlannedFit(
            steps=len(steps),
            samples=sum(len(step.current) + len(step.replay) for step in steps),
            passes=sum(self._passes_of_step(len(step.current), len(step.replay)) for step in steps),
            epochs=sum(rule.max_epochs for rule in rules),
            looks=self.objective.rows_to_store(len(this_round.current_rows))
            + num_val * sum(rule.max_epochs for rule in rules if rule.needs_validation),
            stored_bytes=self.objective.stored_bytes(len(this_round.pool.labelled)),
        )

    def carried(self) -> dict[str, Any]:
        """Returns what the next round needs: weights, parts, and what pieces carry on."""
        previous = None if self.previous is None else on_host(self.previous)
        pieces = {name: piece.carried() for name, piece in self.pieces.items()}
        return {"net": on_host(self.net), "parts": on_host(self.parts), "pieces": pieces, "previous": previous}

    def restore(self, carried: dict[str, Any]) -> None:
        self.net.load_state_dict(carried["net"])
        self.parts.load_state_dict(carried["parts"])
        if carried["previous"] is not None:
            self.previous = deepcopy(self.net)
            self.previous.load_state_dict(carried["previous"])
        self._lay_out()  # or what is scored next would differ in its last bits from what an unbroken run scores
        for name, piece in self.pieces.items():
            piece.restore(carried["pieces"][name])

    def _lay_out(self) -> None:
        for net in filter(None, (self.net, self.previous)):
            if self.setup_.channels_last:
                net.to(memory_format=torch.channels_last)

    def _fresh_parts(self, this_round: Round) -> None:
        for name, part in self.named_parts.items():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(this_round.torch_seed(f"part {name}"))
                part.build(self.net, self.setup_)

    def _passes_of_step(self, current: int, drawn: int) -> int:
        """Returns the rows that a step sends forward, with those backward counted for their work."""
        visit = self.visit
        if drawn <= visit.replay_size:
            return (1 + BACKWARD) * (current + drawn)
        forward, backward = visit.choose.cost(current, drawn)
        return (1 + BACKWARD) * (current + visit.replay_size) + forward + BACKWARD * backward

    # --- a fit ---

    def begin_phase(self, number: int) -> StoppingRule:
        """Begins one fit of the round; returns the rule that ends it."""
        self.phase_number, self.epoch, self.history = number, 0, list[EpochFigures]()
        self.rule = self.stop_rules(self.this_round.number)[number]
        self.finish = self.phase.finish_after(self.rule)
        self.finish.begin()
        return self.rule

    def end_epoch(self) -> list[EpochFigures]:
        """Returns what the epochs of this fit have shown: the one place where a fit waits for the device."""
        correct, loss = torch.stack([self.correct, self.total_loss]).tolist()
        val = self._val_accuracy() if self.rule.needs_validation else None
        self.history.append(EpochFigures(correct / self.num_seen, loss / self.num_steps, val))
        for piece in self.pieces.values():
            piece.after_epoch(self.look, self.phase_number, self.epoch)
        self.finish.see(self.net, self.history)
        self.epoch += 1
        return self.history

    def end_phase(self) -> None:
        """Puts the weights that the fit ends with into the network."""
        self.finish.end(self.net, self.look)

    def fit_state(self) -> dict[str, Any]:
        """Returns what a checkpoint inside a round must hold beside weights and buffers."""
        return {
            "history": [asdict(figures) for figures in self.history],
            "work": asdict(self.work),
            "finish": self.finish.fit_state(),
            "pieces": {name: piece.fit_state() for name, piece in self.pieces.items()},
        }

    def load_fit_state(self, state: dict[str, Any]) -> None:
        """Takes back what `fit_state` returned."""
        self.history = [EpochFigures(**figures) for figures in state["history"]]
        self.epoch, self.work = len(self.history), Work(**state["work"])
        self.finish.load_fit_state(state["finish"])
        for name, piece in self.pieces.items():
            piece.load_fit_state(state["pieces"][name])

    def configure_optimizers(self) -> Any:
        recipe, visit, this_round = self.phase.optimizer or self.optimizer, self.visit, self.this_round
        num_current, num_history = len(visit.current_rows(this_round)), len(this_round.history_rows)
        factor = visit.lr_factor(num_current, num_history, self.setup_.batch_size)
        beside = [parameter for parameter in self.parts.parameters() if parameter.requires_grad]
        recipe = recipe.scaled(self.setup_.scale)
        optimizer, schedule = recipe.build(self.net, self.rule.max_epochs, factor, self.phase.trainable, beside)
        self.head_group = len(optimizer.param_groups) - 1 - bool(beside)
        return optimizer if schedule is None else ([optimizer], [schedule])

    def on_fit_start(self) -> None:
        self.setup_.train.to(self.device)
        self.known_targets_N = self.known_targets_N.to(self.device)
        self.correct, self.total_loss = torch.zeros((2,), device=self.device).unbind()
        call: Any = torch.compile(self.net) if self.setup_.compile else self.net
        self.call_net: Callable[[Tensor], Output] = call.__call__  # a module here would stand twice in the state
        told, parts = self.pieces.values(), self.named_parts.values()
        self.told_of_steps = [piece.after_step for piece in told if type(piece).after_step is not Piece.after_step]
        self.part_losses = [part.loss for part in parts if type(part).loss is not Part.loss]

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.this_round.torch_seed("dropout", self.phase_number, self.epoch))
        self.raw_optimizer: Any = self.optimizers(use_pl_optimizer=False)
        self.scales_loss = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        for piece in self.pieces.values():
            piece.begin_epoch(self.look, self.phase_number, self.epoch)
        self.train()
        for module in self.net.modules():
            if self.phase.freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        self.correct.zero_()
        self.total_loss.zero_()
        self.num_seen = self.num_steps = 0

    def training_step(self, block: Block, index: int) -> None:
        """Takes all the steps of a block; what they showed is counted once for all of them."""
        seen = [self._step(self._batch(c), None if r is None else self._batch(r, replayed=True)) for c, r in block]
        logits = torch.cat([batch.logits.detach() for batch, _ in seen])
        y = torch.cat([batch.y for batch, _ in seen])
        self.correct += self.setup_.task.correct(logits, y).sum()
        self.block_losses_T = torch.stack([loss for _, loss in seen])  # calrun/method/fit/loss_watch.py looks at them
        self.total_loss += self.block_losses_T.sum()
        self.num_seen += len(y)
        self.num_steps += len(seen)
        self.work.steps += len(seen)

    def on_train_epoch_end(self) -> None:
        schedule = self.lr_schedulers()
        if schedule is not None:
            schedule.step()  # type: ignore[union-attr]

    def _val_accuracy(self) -> float:
        val, task = self.setup_.val, self.setup_.task
        assert val is not None
        kept = {"kept": lambda seen: task.kept(seen.output.logits_BC)}
        kept_V = self.setup_.predictor(self.net, val, np.arange(len(val)), kept)["kept"]
        return task.metrics(kept_V, val.targets, self.setup_.num_classes)["accuracy"]

    def _step(self, current: Batch, replay: Batch | None) -> tuple[Batch, Tensor]:
        if replay is not None and len(replay.rows) > self.visit.replay_size:
            replay = self._choose(current, replay)
        current, replay = self._forward(current, replay)
        loss = self.objective(current, replay)
        for part_loss in self.part_losses:
            more = part_loss(current, replay)
            loss = loss if more is None else loss + more
        self.raw_optimizer.zero_grad()
        if self.scales_loss:
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr] # takes the scale out of the gradients
        else:
            loss.backward()  # type: ignore[no-untyped-call] # the same without Lightning's layers around it
            self.raw_optimizer.step()
        torch.clear_autocast_cache()  # weights changed inside one autocast region
        samples = len(current.rows) + (0 if replay is None else len(replay.rows))
        self.work.samples_forward += samples
        self.work.samples_backward += samples
        for after_step in self.told_of_steps:
            after_step(current, replay)
        return current, loss.detach()

    def _choose(self, current: Batch, candidates: Batch) -> Batch:
        visit, lr = self.visit, self.raw_optimizer.param_groups[self.head_group]["lr"]
        chosen = candidates.take(visit.choose(self.net, current, candidates, visit.replay_size, lr))
        torch.clear_autocast_cache()  # or training would reuse weights cast without gradients
        forward, backward = visit.choose.cost(len(current.rows), len(candidates.rows))
        self.work.samples_forward += forward
        self.work.samples_backward += backward
        return chosen

    def _forward(self, current: Batch, replay: Batch | None) -> tuple[Batch, Batch | None]:
        if replay is None:
            return current.with_output(self.call_net(current.x)), None
        if self.visit.forward_mode == "joint":
            output = self.call_net(self.setup_.train.joined(current.x, replay.x))
            first, second = output.split(len(current.rows))
            return current.with_output(first), replay.with_output(second)
        replay = replay.with_output(self.call_net(replay.x))
        return current.with_output(self.call_net(current.x)), replay

    def _batch(self, shot: Shot, replayed: bool = False) -> Batch:
        x = shot.x.to(memory_format=torch.channels_last) if self.setup_.channels_last and shot.x.dim() == 4 else shot.x
        y = self.known_targets_N[shot.rows] if shot.y is None else shot.y
        return Batch(shot.rows, x, y, None, self.objective.stored_of(shot.rows) if replayed else None)


@dataclass
class Epochs:
    """The batches of a fit, planned epoch by epoch as Lightning asks for them.

    The method counts the epochs: Lightning's own counter is one behind when it asks for the first epoch of a resumed
    fit.
    """

    method: Composed

    def __iter__(self) -> Iterator[Block]:
        method, epoch = self.method, self.method.epoch
        steps = method.visit.epoch(method.this_round, epoch, method.setup_.batch_size, method.phase_number)
        seed = method.this_round.torch_seed("augmentation", method.phase_number, epoch)
        yield from method.setup_.train.blocks(steps, seed)  # when first asked: Lightning makes one more


def on_host(module: nn.Module) -> dict[str, Tensor]:
    """Returns a copy of a module's state that nothing changes any more."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
