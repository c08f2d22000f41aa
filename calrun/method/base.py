"""A training method: where weights start, which rows a step visits, which loss it lowers, when a round stops.

Das et al. 2023 (CAL), Alg. 2. The four pieces are separable, so that a new combination is a YAML; this module holds the
mechanics that all methods share: steps, running accuracy, counts of work, and what is carried from round to round.

Dimension key: N rows of the training set, B batch, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from calrun.dataset.base import Block, Shot
from calrun.method.batch import Batch, join
from calrun.method.objective import Objective
from calrun.method.phase import Phase
from calrun.method.setup import Setup, Work
from calrun.method.start import Start
from calrun.method.stored import StoredLogits
from calrun.method.visit import Visit
from calrun.model.base import Classifier, Output
from calrun.optimizer import Recipe
from calrun.round import Round
from calrun.stop import EpochFigures, StoppingRule


class Method(pl.LightningModule):
    """Trains one network, round after round.

    Args:
        start: sets the weights at the start of a round.
        visit: plans the rows of each step.
        objective: the loss of a step.
        optimizer: new in every round.
        stop: ends a round.
        stop_later: ends the rounds after the first instead; none uses `stop`.
        lr_scale: `linear` multiplies the learning rate of replaying rounds by (m + r) / m where the optimizer's recipe
            scales (SGD), m + r being the rows that a step has where labels or history are short; `none` does not.
        forward_mode: `joint` sends current and replayed rows through the network together, `separate` one after the
            other (replayed rows first), which normalises each by its own batch statistics.
        store_when: stored targets come from the `end_of_round` (the paper) or `first_epoch_online` (the authors' code).
        phases: the fits of a round, one after the other.
    """

    def __init__(  # noqa: PLR0913 - the pieces of a method, all named
        self,
        start: Start,
        visit: Visit,
        objective: Objective,
        optimizer: Recipe,
        stop: StoppingRule,
        setup: Setup,
        stop_later: StoppingRule | None = None,
        lr_scale: str = "none",
        forward_mode: str = "joint",
        store_when: str = "end_of_round",
        phases: Sequence[Phase] = (Phase(),),
    ) -> None:
        super().__init__()
        for option, came, legal in (
            ("lr_scale", lr_scale, ("none", "linear")),
            ("forward_mode", forward_mode, ("joint", "separate")),
            ("store_when", store_when, ("end_of_round", "first_epoch_online")),
        ):
            if came not in legal:
                raise ValueError(f"method.{option} wants one of {legal}, got {came!r}")
        self.automatic_optimization = False
        self.start, self.visit, self.objective, self.optimizer, self.setup_ = start, visit, objective, optimizer, setup
        self.stop, self.stop_later, self.phases = stop, stop_later or stop, tuple(phases)
        self.lr_scale, self.forward_mode, self.store_when = lr_scale, forward_mode, store_when
        self.net = setup.build_net()
        self.stored = StoredLogits(len(setup.train))
        self.phase_number = self.epoch = 0
        self.work = Work()
        self.online: dict[str, Tensor] = {}

    @property
    def phase(self) -> Phase:
        """The fit of the round that is under way."""
        return self.phases[self.phase_number]

    # --- a round ---

    def begin_round(self, this_round: Round) -> None:
        """Sets weights and everything else that holds for one round."""
        self.this_round, self.work = this_round, Work()
        fresh = self.fresh_net(this_round)
        self.net.to(next(fresh.parameters()).device)
        apply = self.start.first if this_round.number == 1 else self.start.apply
        apply(self.net, fresh)
        self._lay_out()
        self.objective.begin_round(this_round)
        if self.visit.choose is not None:
            self.visit.choose.begin_round()
        self.known_targets_N = torch.from_numpy(this_round.pool.known_targets())
        self.online = {}

    def store_targets(self, this_round: Round) -> None:
        """Stores the targets of the rows bought for this round."""
        rows = this_round.current_rows
        if self.store_when == "first_epoch_online":
            order = torch.argsort(self.online["rows"])
            self.stored.write(rows, self.online["logits"][order])
            return
        self.stored.write(rows, self.predict(rows)["logits"])
        self.work.samples_forward += len(rows)

    def notes(self) -> dict[str, float]:
        """Returns what the round's line should say of the method itself."""
        return self.visit.notes(len(self.this_round.history_rows))

    def predict(self, rows: np.ndarray, wanted: frozenset[str] = frozenset({"logits"})) -> dict[str, Tensor]:
        """Returns columns of training rows, in evaluation mode and transform."""
        return self.setup_.predictor(self.net, self.setup_.train, rows, wanted)

    def fresh_net(self, this_round: Round) -> Classifier:
        """Returns a new network; its weights depend on the seed and the round alone, not on the method."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(this_round.torch_seed("model"))
            return self.setup_.build_net()

    def scale_of_lr(self) -> float:
        """Returns the factor on the learning rate: rows of a step over m, as many as a step has, and never below 1."""
        num_history, batch_size = len(self.this_round.history_rows), self.setup_.batch_size
        if self.lr_scale == "none" or not self.visit.num_replayed(num_history):
            return 1.0
        num_current = len(self.visit.current_rows(self.this_round))
        return max(1.0, self.visit.step_rows(num_current, num_history, batch_size) / batch_size)

    def stop_rule(self) -> StoppingRule:
        """Returns the rule that ends the current phase."""
        return self.stop_rules(self.this_round)[self.phase_number]

    def stop_rules(self, this_round: Round) -> list[StoppingRule]:
        """Returns the rules that end the phases of a round."""
        return [phase.stop or (self.stop if this_round.number == 1 else self.stop_later) for phase in self.phases]

    def carried(self) -> dict[str, Any]:
        """Returns what the next round needs: weights and stored targets."""
        net = {name: tensor.detach().cpu().clone() for name, tensor in self.net.state_dict().items()}
        return {"net": net, "stored": self.stored.state_dict()}

    def restore(self, carried: dict[str, Any]) -> None:
        """Takes back what `carried` returned."""
        self.net.load_state_dict(carried["net"])
        self._lay_out()  # or what is scored next would differ in its last bits from what an unbroken run scores
        self.stored.load_state_dict(carried["stored"])

    def _lay_out(self) -> None:
        if self.setup_.channels_last:
            self.net.to(memory_format=torch.channels_last)

    # --- a fit: Lightning's hooks ---

    def configure_optimizers(self) -> Any:
        recipe, epochs = self.phase.optimizer or self.optimizer, self.stop_rule().max_epochs
        optimizer, schedule = recipe.build(self.net, epochs, self.scale_of_lr(), self.phase.trainable)
        return optimizer if schedule is None else ([optimizer], [schedule])

    def on_fit_start(self) -> None:
        self.setup_.train.to(self.device)
        self.stored.to(self.device)
        self.known_targets_N = self.known_targets_N.to(self.device)
        self.correct, self.total_loss = torch.zeros((2,), device=self.device).unbind()
        call: Any = torch.compile(self.net) if self.setup_.compile else self.net
        self.call_net: Callable[[Tensor], Output] = call.__call__  # a module here would stand twice in the state

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.this_round.torch_seed("dropout", self.phase_number, self.epoch))
        self.raw_optimizer: Any = self.optimizers(use_pl_optimizer=False)
        self.scales_loss = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        self.net.train()
        for module in self.net.modules():
            if self.phase.freeze_batch_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        self.correct.zero_()
        self.total_loss.zero_()
        self.num_seen = self.num_steps = 0

    def training_step(self, block: Block, index: int) -> None:
        """Takes all the steps of a block; what they showed is counted once for all of them."""
        with_stored = self.objective.uses_stored
        seen = [self._step(self._batch(c), None if r is None else self._batch(r, with_stored)) for c, r in block]
        logits_BC = torch.cat([batch.logits.detach() for batch, _ in seen])
        self.correct += (logits_BC.argmax(dim=1) == torch.cat([batch.y for batch, _ in seen])).sum()
        self.block_losses_T = torch.stack([loss for _, loss in seen])  # T steps; calrun/loss_watch.py looks at them
        self.total_loss += self.block_losses_T.sum()
        self.num_seen += len(logits_BC)
        self.num_steps += len(seen)
        self.work.steps += len(seen)
        if (
            self.objective.uses_stored
            and self.store_when == "first_epoch_online"
            and self.phase_number == self.epoch == 0
        ):
            self._store_online(torch.cat([batch.rows for batch, _ in seen]), logits_BC.float())

    def on_train_epoch_end(self) -> None:
        schedule = self.lr_schedulers()
        if schedule is not None:
            schedule.step()  # type: ignore[union-attr]

    def epoch_figures(self) -> EpochFigures:
        """Returns what the epoch showed: the one place where a fit waits for the device."""
        correct, loss = torch.stack([self.correct, self.total_loss]).tolist()
        val = self._val_accuracy() if self.stop_rule().needs_validation else None
        return EpochFigures(correct / self.num_seen, loss / self.num_steps, val)

    def _val_accuracy(self) -> float:
        val = self.setup_.val
        assert val is not None
        logits_VC = self.setup_.predictor(self.net, val, np.arange(len(val)), frozenset({"logits"}))["logits"]
        return (logits_VC.argmax(dim=1) == torch.from_numpy(val.targets)).double().mean().item()

    def _step(self, current: Batch, replay: Batch | None) -> tuple[Batch, Tensor]:
        if replay is not None and self.visit.choose is not None:
            replay = self._choose(current, replay)
        current, replay = self._forward(current, replay)
        loss = self.objective(current, replay)
        self.raw_optimizer.zero_grad()
        if self.scales_loss:
            self.manual_backward(loss)
            self.optimizers().step()  # type: ignore[union-attr] # takes the scale out of the gradients
        else:
            loss.backward()  # type: ignore[no-untyped-call] # the same without Lightning's layers around it
            self.raw_optimizer.step()
        torch.clear_autocast_cache()  # weights changed inside one autocast region
        samples = len(current.y) + (0 if replay is None else len(replay.y))
        self.work.samples_forward += samples
        self.work.samples_backward += samples
        return current, loss.detach()

    def _choose(self, current: Batch, candidates: Batch) -> Batch:
        choose, lr = self.visit.choose, self.raw_optimizer.param_groups[-1]["lr"]
        assert choose is not None
        chosen = candidates.take(choose(self.net, current, candidates, self.visit.replay_size, lr))
        torch.clear_autocast_cache()  # or training would reuse weights cast without gradients
        if len(candidates.y) > self.visit.replay_size:
            forward, backward = choose.cost(len(current.y), len(candidates.y))
            self.work.samples_forward += forward
            self.work.samples_backward += backward
        return chosen

    def _forward(self, current: Batch, replay: Batch | None) -> tuple[Batch, Batch | None]:
        if replay is None:
            return current.seen(self.call_net(current.x).logits_BC), None
        if self.forward_mode == "joint":
            logits_BC = self.call_net(join(current, replay)).logits_BC
            return current.seen(logits_BC[: len(current.y)]), replay.seen(logits_BC[len(current.y) :])
        replay = replay.seen(self.call_net(replay.x).logits_BC)
        return current.seen(self.call_net(current.x).logits_BC), replay

    def _store_online(self, rows: Tensor, logits_BC: Tensor) -> None:
        for name, part in (("rows", rows), ("logits", logits_BC)):
            self.online[name] = torch.cat([self.online[name], part]) if name in self.online else part

    def _batch(self, shot: Shot, with_stored: bool = False) -> Batch:
        x = shot.x.to(memory_format=torch.channels_last) if self.setup_.channels_last and shot.x.dim() == 4 else shot.x
        stored = self.stored.read(shot.rows) if with_stored else None
        return Batch(shot.rows, x, self.known_targets_N[shot.rows], None, stored)


@dataclass
class Epochs:
    """The batches of a fit, planned epoch by epoch as Lightning asks for them.

    The keeper of the fit counts the epochs: Lightning's own counter is one behind when it asks for the first epoch of a
    resumed fit.
    """

    method: Method

    def __iter__(self) -> Iterator[Block]:
        method, epoch = self.method, self.method.epoch
        steps = method.visit.epoch(method.this_round, epoch, method.setup_.batch_size, method.phase_number)
        seed = method.this_round.torch_seed("augmentation", method.phase_number, epoch)
        yield from method.setup_.train.blocks(steps, seed)  # when first asked: Lightning makes one more
