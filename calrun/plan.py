"""`calrun plan`: what each round of a configuration will take, estimated without training anything."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict

from calrun.acquisition.cost import FLOAT, Sizes, column_bytes
from calrun.acquisition.memory import GIB, free_bytes
from calrun.choices import acquisition_of, choice_sizes
from calrun.environment import device_name
from calrun.experiment import Experiment, build
from calrun.keys import refuse_unread
from calrun.network_rates import network_rates
from calrun.places import CONF
from calrun.play import silence_lightning
from calrun.rates import Rates, measure
from calrun.round import Round

BACKWARD = 2  # times the work of a forward pass
SPLITS = {"": "candidates", "labelled_": "labelled", "val_": "validation"}  # beginnings of columns, names of sizes


@dataclass(frozen=True)
class FitPlan:
    """The training of a round: `epochs` and what follows from it are the most that the stopping rules allow."""

    steps_per_epoch: int = 0
    epochs: int = 0
    flops: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class ScorePlan:
    """The pass over the rows that the acquisition looks at, and the columns that it leaves."""

    rows: int
    flops: float
    seconds: float
    columns: dict[str, int]


@dataclass(frozen=True)
class SelectPlan:
    """The choice itself; `bytes_peak` comes on top of the columns."""

    name: str
    flops: float
    bytes_peak: float
    seconds: float


@dataclass(frozen=True)
class RoundPlan:
    """One round; round 0 chooses the initial labels. The last round neither scores nor selects."""

    number: int
    labelled: int
    pool: int
    fit: FitPlan
    score: ScorePlan | None
    select: SelectPlan | None
    state_bytes: int


@dataclass(frozen=True)
class Plan:
    """All rounds, and the rates of the device that seconds come from.

    Args:
        device: where networks run, and selections whose columns fit there.
        rates: the device's.
        forward_flops: of one row through the network.
        rounds: round 0 is the choice of the initial labels.
        free_bytes: what is free on the device now.
        needed_bytes: the most that a scoring and selection needs.
        disk_bytes: of the state files that stay.
        problems: one sentence for each round that does not fit or would be refused, with what to choose instead.
    """

    device: str
    rates: Rates
    forward_flops: float
    rounds: list[RoundPlan]
    free_bytes: int
    needed_bytes: float
    disk_bytes: int
    problems: list[str]

    def totals(self) -> dict[str, dict[str, float]]:
        """Returns the arithmetic and the seconds of all rounds by kind of work."""
        work = {kind: [getattr(each, kind) for each in self.rounds] for kind in ("fit", "score", "select")}
        return {
            kind: {
                name: sum(getattr(part, name) for part in parts if part is not None) for name in ("flops", "seconds")
            }
            for kind, parts in work.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Returns plain numbers and texts."""
        return {**asdict(self), "totals": self.totals()}


def composed(overrides: Sequence[str], config_dir: Path | None = None) -> DictConfig:
    """Returns the configuration that `calrun run` would play with the same overrides.

    Raises:
        ValueError: if an override is a flag, which only `calrun run` understands, or a key that nobody reads.
    """
    flags = [override for override in overrides if override.startswith("-")]
    if flags:
        raise ValueError(f"calrun plan takes GROUP=OPTION and KEY=VALUE, got {flags[0]!r}; plan the runs one by one")
    more = [] if config_dir is None else [f"hydra.searchpath=[file://{config_dir.resolve()}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[*overrides, *more], return_hydra_config=True)
    with open_dict(cfg):
        hydra = cfg.pop("hydra")
    refuse_unread(cfg, dict(hydra.runtime.choices), hydra)
    return cfg


def plan(cfg: DictConfig) -> Plan:
    """Returns the plan of a configuration.

    Raises:
        ValueError: if the configuration cannot work.
    """
    silence_lightning()
    exp = build(cfg)
    planner, device = Planner(exp), exp.predictor.device
    rounds = list(planner.rounds())
    states = [each.state_bytes for each in rounds]
    return Plan(
        device=device_name(device),
        rates=measure(device),
        forward_flops=planner.network.flops,
        rounds=rounds,
        free_bytes=planner.free(device),
        needed_bytes=max(needed_bytes(each.score, each.select) for each in rounds),
        disk_bytes=sum(states) if exp.record.keep_states else states[-1],
        problems=planner.problems,
    )


def needed_bytes(score: ScorePlan | None, select: SelectPlan | None) -> float:
    """Returns the most memory of a round: the chunks of a pass are joined into columns, and then comes the choice."""
    if score is None or select is None:
        return 0.0
    columns = sum(score.columns.values())
    return max(2 * columns, columns + select.bytes_peak)


class Planner:
    """Walks through the rounds of an experiment with any rows in place of those that would be chosen."""

    def __init__(self, exp: Experiment) -> None:
        self.exp, self.problems = exp, list[str]()
        self.free = cache(free_bytes)  # of the start
        self.network = network_rates(exp, measure(exp.predictor.device).flops)

    def rounds(self) -> Iterator[RoundPlan]:
        """Yields the plan of the initial choice and of each round."""
        sizes = [*self.exp.sizes, self.exp.sizes[-1]]
        for number, budget in enumerate(np.diff(sizes, prepend=0).tolist()):
            this_round = Round(number, len(self.exp.sizes), budget, self.exp.seed, self.exp.pool, Path())
            yield self._round(this_round)
            self.exp.pool.label(self.exp.pool.unlabelled[:budget], number + 1)

    def _round(self, this_round: Round) -> RoundPlan:
        fit = self._fit(this_round) if this_round.number else FitPlan()
        state = self._state_bytes() if this_round.number else 0
        score, select = (None, None) if this_round.is_last else self._choice(this_round)
        pool = self.exp.pool
        return RoundPlan(this_round.number, len(pool.labelled), len(pool.unlabelled), fit, score, select, state)

    # --- training ---

    def _fit(self, this_round: Round) -> FitPlan:
        method = self.exp.method
        steps = method.visit.epoch(this_round, 0, method.setup_.batch_size)
        passes = sum(self._passes_of_step(len(step.current), len(step.replay)) for step in steps)
        epochs = looks = 0  # looks: rows that are validated on, or whose targets are stored
        if method.objective.uses_stored and method.store_when == "end_of_round":
            looks = len(this_round.current_rows)
        for rule in method.stop_rules(this_round):
            epochs += rule.max_epochs
            looks += rule.max_epochs * rule.needs_validation * self._num_validation()
        seconds = epochs * passes / (1 + BACKWARD) * self.network.step_seconds + looks * self.network.pass_seconds
        return FitPlan(len(steps), epochs, (epochs * passes + looks) * self.network.flops, seconds)

    def _passes_of_step(self, current: int, drawn: int) -> int:
        """Returns the rows that a step sends forward, with those backward counted for their work."""
        visit = self.exp.method.visit
        if visit.choose is None or drawn <= visit.replay_size:
            return (1 + BACKWARD) * (current + drawn)
        forward, backward = visit.choose.cost(current, drawn)
        return (1 + BACKWARD) * (current + visit.replay_size) + forward + BACKWARD * backward

    def _state_bytes(self) -> int:
        method = self.exp.method
        stored = FLOAT * len(self.exp.pool.labelled) * self.exp.data.num_classes * method.objective.uses_stored
        return stored + sum(int(tensor.nbytes) for part in method.carried().values() for tensor in part.values())

    # --- scoring and selection ---

    def _choice(self, this_round: Round) -> tuple[ScorePlan, SelectPlan]:
        group, acquisition = acquisition_of(self.exp, this_round.number)
        network = self.network
        sizes = replace(
            choice_sizes(self.exp, this_round.number),
            features=network.num_features,
            forward_flops=network.flops,
            activation_bytes=network.activation_bytes,
        )
        columns = column_bytes(acquisition.needs, sizes)
        rows, passes = looked_at(acquisition.needs, sizes)
        score = ScorePlan(rows, passes * self.network.flops, passes * self.network.pass_seconds, columns)
        where = self._where(sum(columns.values()))
        cost = acquisition.cost(replace(sizes, device=where))
        select = SelectPlan(type(acquisition).__name__, cost.flops, cost.bytes_peak, measure(where).seconds(cost))
        needed, free = needed_bytes(score, select), self.free(where)
        remedy = acquisition.approximation if group == "acquisition" else "initial=random"
        when = f"round {this_round.number}" if this_round.number else "the initial choice"
        if cost.refusal:
            self.problems.append(f"{when}: {cost.refusal}")
        elif needed > free:
            self.problems.append(
                f"{when}: {group}={select.name} needs {needed / GIB:.3g} GiB, "
                f"{sum(columns.values()) / GIB:.3g} GiB of them for columns, but {free / GIB:.3g} GiB are free; "
                f"choose {remedy}"
            )
        return score, select

    def _num_validation(self) -> int:
        return 0 if self.exp.data.val is None else len(self.exp.data.val)

    def _where(self, num_bytes: int) -> torch.device:
        """Returns where columns of that size would be, see `Predictor.place`."""
        device, host = self.exp.predictor.device, torch.empty(0).device
        return device if 2 * num_bytes <= self.free(device) else host


def looked_at(needs: frozenset[str], sizes: Sizes) -> tuple[int, int]:
    """Returns how many rows the columns come from, and how many times one of them goes through the network."""
    rows = passes = 0
    for beginning, split in SPLITS.items():
        number = getattr(sizes, split)
        times = int(bool(needs & {f"{beginning}logits", f"{beginning}features"}))
        if not beginning and "mc_log_probs" in needs:
            times += sizes.mc_samples
        rows += number * bool(times)
        passes += number * times
    return rows, passes
