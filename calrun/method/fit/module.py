"""How one network is trained in a fit: its steps, running accuracy, counts of work, and what a kill must not lose.

The pieces decide on rows, loss and weights; Lightning calls the hooks.

Dimension key: N rows of the training set, B batch, C classes, T steps of a block.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from calrun.dataset.base import Block, Shot
from calrun.look.predict import LOGITS, Seen
from calrun.method.fit.beside import Beside
from calrun.method.fit.epochs import Epochs
from calrun.method.fit.optimizer import OptimizerFactory, begin_anew
from calrun.method.fit.renew import renew_batch_norm
from calrun.method.fit.stop import StoppingRule
from calrun.method.objective import Objective, refuse_other
from calrun.method.phase import Phase
from calrun.method.visit import Visit, refuse_repeats, refuse_spoilt
from calrun.model.base import Output
from calrun.parallel import world
from calrun.part.batch import Batch
from calrun.part.figures import EpochFigures
from calrun.part.part import Part
from calrun.part.piece import Piece
from calrun.part.setup import Setup, Work
from calrun.round import Round

LEAST_ROWS = 2  # of a batch for each process; BatchNorm cannot normalise one


class FitModule(pl.LightningModule):
    """One network, the parts beside it, and the pieces that say how it is trained."""

    this_round: Round
    known_targets_N: Tensor

    def __init__(
        self, visit: Visit, objective: Objective, optimizer: OptimizerFactory, phases: Sequence[Phase], setup: Setup
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.visit, self.objective, self.optimizer, self.setup_ = visit, objective, optimizer, setup
        self.phases = tuple(phases)
        self.net = setup.build_net()
        self.parts = nn.ModuleDict()
        self.phase_number = self.epoch = 0
        self.work, self.ended = Work(), dict[str, float]()

    def stop_rules(self, number: int) -> list[StoppingRule]:
        """Returns the rules that end the phases of a round."""
        raise NotImplementedError

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
        """Everything whose hooks a fit calls, by name."""
        parts = {f"part {name}": part for name, part in self.named_parts.items()}
        return {"visit": self.visit, "objective": self.objective, **parts}

    def look(
        self, rows: np.ndarray, columns: Mapping[str, Callable[[Seen], Tensor]] | None = None
    ) -> dict[str, Tensor]:
        """Returns columns of training rows, in evaluation mode and with its transform; the pass counts as work."""
        self.work.samples_forward += len(rows)
        return self.setup_.predictor(self.net, self.setup_.train, rows, columns or LOGITS)

    def begin_phase(self, number: int) -> StoppingRule:
        """Begins one fit of the round; returns the rule that ends it."""
        self.phase_number, self.epoch, self.history = number, 0, list[EpochFigures]()
        self.rule = self.stop_rules(self.this_round.number)[number]
        factory = self.phase.optimizer or self.optimizer
        self.finish = factory.finishing(self.phase.finish_after(self.rule), self.setup_.scale)
        self.finish.begin()
        return self.rule

    def end_epoch(self) -> list[EpochFigures]:
        """Returns the figures of this fit's epochs so far; the one place where a fit waits for the device."""
        correct, loss = torch.stack([self.correct, self.total_loss]).tolist()
        val = self._val_accuracy() if self.rule.needs_validation else None
        self.history.append(EpochFigures(correct / self.num_seen, loss / self.num_steps, val))
        for piece in self.pieces.values():
            piece.after_epoch(self.look, self.phase_number, self.epoch)
        self.finish.see(self.net, self.history)
        self.epoch += 1
        return self.history

    def begin_again(self) -> None:
        """Gives up the weights of the fit, and its optimizer's state and schedule; its epochs are counted on."""
        self.renew_weights(f"restart {self.phase_number} {self.epoch}")
        begin_anew(self.raw_optimizer, self.lr_schedulers())
        self.finish.begin()
        self.work.restarts += 1

    def renew_weights(self, purpose: str) -> None:
        """Sets the weights of the network as in round 1, from random numbers of their own."""
        raise NotImplementedError

    def end_phase(self) -> None:
        """Puts the weights that the fit ends with into the network."""
        self.finish.end(self.net, self.look)
        self.ended = self.finish.notes()
        if self.finish.renews_batch_norm() and not self.phase.freeze_batch_norm:
            self._renew_batch_norm()

    def _renew_batch_norm(self) -> None:
        """Measures BatchNorm's statistics on the batches of one more epoch, augmented as in training."""
        device = self.setup_.predictor.device
        self.net.to(device)
        self.setup_.train.to(device)
        self._seed_dropout()
        with self.setup_.predictor.fabric.autocast():
            self.work.samples_forward += renew_batch_norm(self.net, Epochs(self).inputs(device))

    def fit_state(self) -> dict[str, Any]:
        """Returns what a checkpoint inside a round must hold besides weights and buffers."""
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
            piece.load_fit_state(state["pieces"].get(name, {}))  # what is recorded may have changed

    def configure_optimizers(self) -> Any:
        factory, visit, this_round = self.phase.optimizer or self.optimizer, self.visit, self.this_round
        num_current, num_history = len(visit.current_rows(this_round)), len(this_round.history_rows)
        factor = visit.lr_factor(num_current, num_history, self.setup_.batch_size)
        beside = [each.scaled(self.setup_.scale) for each in self._beside()]
        factory = factory.scaled(self.setup_.scale)
        epochs, trainable = self.rule.max_epochs, self.phase.trainable
        optimizer, schedule = factory.build(self.net, epochs, factor, trainable, beside, self._steps_of(factory))
        self.head_group = len(optimizer.param_groups) - 1 - len(beside)
        return optimizer if schedule is None else ([optimizer], [schedule])

    def _beside(self) -> list[Beside]:
        """Returns the parts' parameters: those with settings of their own in a group each, the others in one before."""
        parts = [part for part in self.named_parts.values() if not part.own_optimizer.is_networks]
        own = [Beside([each for each in part.parameters() if each.requires_grad], part.own_optimizer) for part in parts]
        taken = {id(parameter) for each in own for parameter in each.parameters}
        others = [each for each in self.parts.parameters() if each.requires_grad and id(each) not in taken]
        return [each for each in (Beside(others), *own) if each.parameters]

    def _steps_of(self, factory: OptimizerFactory) -> int:
        """Returns the steps of an epoch, where the schedule moves at each."""
        if factory.schedule_every == "epoch":
            return 1
        return len(self.visit.epoch(self.this_round, 0, self.setup_.batch_size, self.phase_number))

    def on_fit_start(self) -> None:
        self.setup_.train.to(self.device)
        self.known_targets_N = self.known_targets_N.to(self.device)
        self.correct, self.total_loss = torch.zeros((2,), device=self.device).unbind()
        call: Any = torch.compile(self.net) if self.setup_.compile else self.net
        self.call_net: Callable[[Tensor], Output] = call.__call__  # a module here would be in the state twice
        told, parts = self.pieces.values(), self.named_parts.values()
        self.told_of_steps = [piece.after_step for piece in told if type(piece).after_step is not Piece.after_step]
        self.part_losses = [part.loss for part in parts if type(part).loss is not Part.loss]

    def on_train_epoch_start(self) -> None:
        self._seed_dropout()
        self.raw_optimizer: Any = self.optimizers(use_pl_optimizer=False)
        self.scales_loss = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        self.finish.steer(self.raw_optimizer)  # type: ignore[arg-type] # one, as configured
        for piece in self.pieces.values():
            piece.begin_epoch(self.look, self.phase_number, self.epoch)
        self.train()
        for module in self.net.modules():
            if self.phase.freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        self.correct.zero_()
        self.total_loss.zero_()
        self.num_seen = self.num_steps = 0
        self.first_choice = True

    def training_step(self, block: Block, index: int) -> None:
        """Takes all the steps of a block, and adds up their figures once at its end."""
        seen = [self._step(self._batch(c), None if r is None else self._batch(r, replayed=True)) for c, r in block]
        logits = torch.cat([batch.logits.detach() for batch, _ in seen])
        y = torch.cat([batch.y for batch, _ in seen])
        self.correct += self.setup_.task.correct(logits, y).sum()
        self.block_losses_T = torch.stack([loss for _, loss in seen])  # calrun/training/loss_watch.py looks at them
        self.total_loss += self.block_losses_T.sum()
        self.num_seen += len(y)
        self.num_steps += len(seen)
        self.work.steps += len(seen)

    def on_train_epoch_end(self) -> None:
        world.like_first(self.net.buffers())
        schedule = self.lr_schedulers()
        if schedule is not None:
            schedule.step()  # type: ignore[union-attr]

    def _val_accuracy(self) -> float:
        val, task = self.setup_.val, self.setup_.task
        assert val is not None
        kept = {"kept": lambda seen: task.kept(seen.output.logits_BC, seen.y)}
        kept_V = self.setup_.predictor(self.net, val, np.arange(len(val)), kept)["kept"]
        return task.metrics(kept_V, val.targets, self.setup_.num_classes)["accuracy"]

    def _step(self, current: Batch, replay: Batch | None) -> tuple[Batch, Tensor]:
        if replay is not None and len(replay.rows) > self.visit.replay_size:
            replay = self._choose(current, replay)
        current, replay = self._forward(current, replay)
        loss = self.objective(current, replay)
        refuse_other(self.objective, loss)
        for part_loss in self.part_losses:
            more = part_loss(current, replay)
            loss = loss if more is None else loss + more
        self.raw_optimizer.zero_grad()
        if self.scales_loss:
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr] # takes the scale out of the gradients
        else:
            loss.backward()  # type: ignore[no-untyped-call] # the same without Lightning's layers around it
            if world.is_together():
                world.sum_gradients(self.net.parameters())
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
        positions = visit.choose(self.net, current, candidates, visit.replay_size, lr)
        refuse_spoilt(visit, positions, self.net)
        if self.first_choice:  # once an epoch: looking at positions waits for the device
            refuse_repeats(visit, positions, len(candidates.rows))
        self.first_choice = False
        chosen = candidates.take(positions)
        torch.clear_autocast_cache()  # or training would reuse weights cast without gradients
        forward, backward = visit.choose.cost(len(current.rows), len(candidates.rows))
        self.work.samples_forward += forward
        self.work.samples_backward += backward
        return chosen

    def _forward(self, current: Batch, replay: Batch | None) -> tuple[Batch, Batch | None]:
        if replay is None:
            return current.with_output(self._passed(current.x)), None
        if self.visit.forward_mode == "joint":
            output = self._passed(self.setup_.train.joined(current.x, replay.x))
            first, second = output.split(len(current.rows))
            return current.with_output(first), replay.with_output(second)
        replay = replay.with_output(self._passed(replay.x))
        return current.with_output(self._passed(current.x)), replay

    def _passed(self, x: Tensor) -> Output:
        """Returns the network's output for a batch, of which each process of the run computes its share."""
        if not world.is_together():
            return self.call_net(x)
        if len(x) < LEAST_ROWS * world.size():
            join, seen = world.repeated, self.call_net(x)
        else:
            parts = world.shares(len(x))
            join, seen = partial(world.gathered, parts=parts), self.call_net(x[world.own(parts)])
        taps = {name: join(tap) for name, tap in seen.taps.items()}
        return Output(join(seen.logits_BC), join(seen.features_BD), taps)

    def _seed_dropout(self) -> None:
        torch.manual_seed(self.this_round.torch_seed("dropout", self.phase_number, self.epoch))

    def laid_out(self, x: Tensor) -> Tensor:
        """Returns pictures channels-last if the run keeps them so."""
        return x.to(memory_format=torch.channels_last) if self.setup_.channels_last and x.dim() == 4 else x

    def _batch(self, shot: Shot, replayed: bool = False) -> Batch:
        x = self.laid_out(shot.x)
        y = self.known_targets_N[shot.rows] if shot.y is None else shot.y
        return Batch(shot.rows, x, y, None, self.objective.stored_of(shot.rows) if replayed else None)
