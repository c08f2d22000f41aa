"""`calrun plan`: what each round of a configuration will take, estimated without training anything."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict

from calrun.acquisition.kernel.memory import GIB, free_bytes
from calrun.check.keys import refuse_unknown_hparams, refuse_unread
from calrun.check.together import num_processes
from calrun.experiment import Experiment, build
from calrun.folder.environment import device_name
from calrun.folder.round_line import peak_memory_bytes
from calrun.look.columns import column_bytes, looked_at
from calrun.look.sizes import FLOAT
from calrun.model.base import Classifier
from calrun.part.setup import BACKWARD, FitWork, Setup
from calrun.places import CONF
from calrun.plan.choices import acquisition_of, choice_sizes
from calrun.plan.network_rates import looking_rates, network_rates, pass_rates
from calrun.plan.rates import Rates, measure
from calrun.round import planned_rounds
from calrun.training.trainer import silence_lightning

JOINED = 3  # times that the columns are there while several processes join theirs: own, received, joined
HOST = torch.empty(0).device


@dataclass(frozen=True)
class FitPlan:
    """The training of a round: `epochs` and what follows from it are the most that the stopping rules allow.

    FLOP and seconds are those of all networks; the steps and epochs of a proxy stand apart.
    """

    steps_per_epoch: int = 0
    epochs: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    proxy_steps_per_epoch: int = 0
    proxy_epochs: int = 0


@dataclass(frozen=True)
class ScorePlan:
    """The pass over the rows that the acquisition looks at, and the columns that it leaves."""

    rows: int
    flops: float
    seconds: float
    columns: dict[str, int]


@dataclass(frozen=True)
class SelectPlan:
    """The choice itself; `bytes_peak` is needed on top of the columns."""

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
class FeaturesPlan:
    """The one pass of the backbone behind features, before round 1: rows that no earlier run has passed."""

    rows: int
    flops: float
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Plan:
    """All rounds, and the rates of the device from which seconds are computed.

    Args:
        device: where networks run, and selections whose columns fit there.
        rates: what the device does in a second.
        forward_flops: multiplications and additions of one row's forward pass.
        rounds: round 0 is the choice of the initial labels.
        free_bytes: bytes that are free on the device now.
        needed_bytes: the most bytes that a round's scoring and selection need.
        disk_bytes: bytes of the state files that are kept.
        problems: one sentence for each round that does not fit or would be refused, with what to choose instead.
        features: the pass that fills the feature store; `None` without one.
        cautions: what may not be meant, as at the start of the run.
        process_bytes: the most memory of this process on the host so far: libraries, data and a forward pass.
        processes: how many such processes play the run.
    """

    device: str
    rates: Rates
    forward_flops: float
    rounds: list[RoundPlan]
    free_bytes: int
    needed_bytes: float
    disk_bytes: int
    problems: list[str]
    features: FeaturesPlan | None = None
    cautions: tuple[str, ...] = ()
    process_bytes: int = 0
    processes: int = 1

    def totals(self) -> dict[str, dict[str, float]]:
        """Returns the FLOP and the seconds of all rounds, by kind of work."""
        work = {kind: [getattr(each, kind) for each in self.rounds] for kind in ("fit", "score", "select")}
        work |= {} if self.features is None else {"features": [self.features]}
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
        refuse_unknown_hparams(dict(cfg.hydra.runtime.choices), overrides)
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
    planner, device = Planner(exp, num_processes(cfg)), exp.predictor.device
    rounds = list(planner.rounds())
    states = [each.state_bytes for each in rounds]
    return Plan(
        device=device_name(device),
        rates=measure(device),
        forward_flops=planner.network.flops,
        rounds=rounds,
        free_bytes=planner.free(device),
        needed_bytes=max(needed_bytes(each.score, each.select, planner.processes) for each in rounds),
        disk_bytes=sum(states) if exp.record.keep_states else states[-1],
        problems=planner.problems,
        features=features_plan(exp, measure(device).flops),
        cautions=exp.cautions,
        process_bytes=peak_memory_bytes(HOST),
        processes=planner.processes,
    )


def features_plan(exp: Experiment, device_flops: float) -> FeaturesPlan | None:
    """Returns what filling the feature store takes; `None` if the run reads no features."""
    if exp.behind is None:
        return None
    rows, num_bytes = exp.behind.missing()
    flops, seconds = pass_rates(exp, exp.behind, device_flops)
    return FeaturesPlan(rows, rows * flops, rows * seconds, num_bytes)


def needed_bytes(score: ScorePlan | None, select: SelectPlan | None, processes: int = 1) -> float:
    """Returns the most bytes of a round: of several processes, each joins the columns of all; then rows are chosen."""
    if score is None or select is None:
        return 0.0
    columns = sum(score.columns.values())
    return max(columns if processes == 1 else JOINED * columns, columns + select.bytes_peak)


class Planner:
    """Walks through the rounds of an experiment with any rows in place of those that would be chosen."""

    def __init__(self, exp: Experiment, processes: int) -> None:
        self.exp, self.processes, self.problems = exp, processes, list[str]()
        self.free = cache(free_bytes)  # asked once for each device
        device_flops = measure(exp.predictor.device).flops
        self.network = network_rates(exp, device_flops)
        first, later = (exp.method.looking(number) for number in (0, 1))
        self.later = self.network if is_evaluated(exp, later) else looking_rates(exp, 1, device_flops)
        self.first = self.network if is_evaluated(exp, first) else looking_rates(exp, 0, device_flops)

    def rounds(self) -> Iterator[RoundPlan]:
        """Yields the plan of the initial choice and of each round."""
        yield self._round(0, FitWork())
        for this_round in planned_rounds(self.exp.sizes, self.exp.seed):
            yield self._round(this_round.number, self.exp.method.planned(this_round))

    def _round(self, number: int, planned: FitWork) -> RoundPlan:
        sizes = self.exp.sizes
        labelled = sizes[number - 1] if number else 0
        fit = self._fit(planned)
        state = planned.stored_bytes + tensor_bytes(self.exp.method.carried()) if number else 0
        score, select = (None, None) if number == len(sizes) else self._choice(number)
        return RoundPlan(number, labelled, len(self.exp.pool) - labelled, fit, score, select, state)

    def _fit(self, planned: FitWork) -> FitPlan:
        network, proxy = self.network, planned.proxy or FitWork()
        parts = ((planned, network), (proxy, self.later))
        passes = [(work.epochs * work.passes, work.looks, rates) for work, rates in parts]
        return FitPlan(
            planned.steps,
            planned.epochs,
            sum((trained + looks) * rates.flops for trained, looks, rates in passes),
            sum(
                trained / (1 + BACKWARD) * rates.step_seconds + looks * rates.pass_seconds
                for trained, looks, rates in passes
            ),
            proxy.steps,
            proxy.epochs,
        )

    def _choice(self, number: int) -> tuple[ScorePlan, SelectPlan]:
        group, acquisition = acquisition_of(self.exp, number)
        network = self.later if number else self.first
        sizes = replace(
            choice_sizes(self.exp, number),
            features=network.num_features,
            forward_flops=network.flops,
            activation_bytes=network.activation_bytes,
            feature_bytes=self._feature_bytes(number),
        )
        columns = column_bytes(acquisition.wanted(), sizes)
        rows, passes = looked_at(acquisition.wanted(), sizes)
        networks = [network] + [self.network] * any("beside" in column.wants for column in acquisition.wanted())
        flops, seconds = (passes * sum(getattr(each, name) for each in networks) for name in ("flops", "pass_seconds"))
        score = ScorePlan(rows, flops, seconds, columns)
        where = self._where(sum(columns.values()))
        cost = acquisition.cost(replace(sizes, device=where))
        select = SelectPlan(acquisition.called, cost.flops, cost.bytes_peak, measure(where).seconds(cost))
        needed, free = needed_bytes(score, select, self.processes), self.free(where)
        remedy = acquisition.approximation if group == "acquisition" else "initial=random"
        when = f"round {number}" if number else "the initial choice"
        if cost.refusal:
            self.problems.append(f"{when}: {cost.refusal}")
        elif needed > free:
            self.problems.append(
                f"{when}: {group}={select.name} needs {needed / GIB:.3g} GiB, "
                f"{sum(columns.values()) / GIB:.3g} GiB of them for columns, but {free / GIB:.3g} GiB are free; "
                f"choose {remedy}"
            )
        return score, select

    def _feature_bytes(self, number: int) -> int:
        """Returns the bytes of a feature in a column: as stored, where the network passes stored features on."""
        behind, looking = self.exp.behind, self.exp.method.looking(number)
        if behind is None or looking is None or any(True for _ in looking[0].backbone.parameters()):
            return FLOAT
        return behind.store.bytes_per_feature

    def _where(self, num_bytes: int) -> torch.device:
        """Returns where columns of this size would be, see `Predictor.place`."""
        device, host = self.exp.predictor.device, torch.empty(0).device
        return device if 2 * num_bytes <= self.free(device) else host


def is_evaluated(exp: Experiment, looking: tuple[Classifier, Setup] | None) -> bool:
    """Tells whether a choice looks through the network that is evaluated."""
    return looking is not None and looking[0] is exp.method.evaluated()


def tensor_bytes(state: Any) -> int:
    """Returns the bytes of all tensors in nested dictionaries."""
    if isinstance(state, dict):
        return sum(tensor_bytes(each) for each in state.values())
    return int(state.nbytes) if isinstance(state, torch.Tensor) else 0
