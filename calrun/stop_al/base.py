"""When active learning ends before its budget does: a rule is asked after every round but the last.

A rule sees what a round has recorded of the stop set (rows of the pool, see calrun/folder/stop_set.py) and of the
validation split, and no number of a test set. It decides by that alone, so a run that was killed decides alike, and one
run that was played to its end shows what every rule would have done (calrun/report/measure/stopping.py).

Imports nothing that trains: a finished run answers at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from calrun.text.legal import is_a

STOP_SET, VALIDATION = "stop_set", "validation"  # what a rule may look at: fields of a round's line


@dataclass(frozen=True)
class Told:
    """One round as a rule sees it.

    Args:
        labelled: labelled rows.
        stop_set: numbers of the stop set by name; empty if none was recorded.
        validation: metrics of the validation split by name; empty if there is none.
    """

    labelled: int
    stop_set: Mapping[str, float | None] = field(default_factory=dict)
    validation: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """Where a rule ends a run.

    Args:
        after: the round after which no more labels are bought.
        reason: what has reached which limit.
    """

    after: int
    reason: str


class StopAL:
    """Never stops: the budget is spent. The base of all rules.

    `needs` names what a rule looks at: `stop_set`, `validation`. `earliest` is the first round after which it can stop.
    """

    needs: frozenset[str] = frozenset()
    earliest: int = 1

    def reason(self, rounds: Sequence[Told]) -> str:
        """Returns why no more labels should be bought after the last of these rounds; empty to go on.

        Args:
            rounds: all rounds from the first.
        """
        return ""


def told(line: Mapping[str, Any]) -> Told:
    """Returns a round's line as a rule sees it."""
    return Told(line["labelled"], line.get(STOP_SET) or {}, line.get(VALIDATION) or {})


def values(numbers: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    """Returns one number of each round; NaN, which reaches no limit, where it is unknown."""
    found = (each.get(name) for each in numbers)
    return [math.nan if value is None else value for value in found]


def rule_of(cfg: DictConfig) -> StopAL:
    """Returns a configuration's rule; run folders from before there were any have none."""
    return is_a("stop_al", instantiate(cfg.stop_al), StopAL) if "stop_al" in cfg else StopAL()


def asked(rule: StopAL, rounds: Sequence[Told]) -> str:
    """Returns why a rule stops after the last of these rounds; empty if it goes on, or if that lacks what it looks at.

    Raises:
        ValueError: if the rule answers with anything but text.
    """
    if not all(getattr(rounds[-1], need, None) for need in rule.needs):
        return ""
    reason = rule.reason(rounds) or ""
    if not isinstance(reason, str):
        raise ValueError(
            f"stop_al={type(rule).__name__} wants to answer with why it stops, a text, or an empty one to go on, but "
            f"came {reason!r}; correct its `reason`"
        )
    return reason


def first_stop(rule: StopAL, lines: Sequence[Mapping[str, Any]], planned: int) -> Stop | None:
    """Returns where a rule ends a run before the last of its planned rounds; `None` if it has not done so yet."""
    rounds = [told(line) for line in lines[: planned - 1]]
    for number in range(1, len(rounds) + 1):
        if reason := asked(rule, rounds[:number]):
            return Stop(number, reason)
    return None


def last_round(rule: StopAL, lines: Sequence[Mapping[str, Any]], planned: int) -> int:
    """Returns the round after which a run is over: that of its budget, or an earlier one by its rule."""
    stop = first_stop(rule, lines, planned)
    return planned if stop is None else stop.after
