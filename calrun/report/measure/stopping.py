"""What each rule of `stop_al` would have done with runs that were played without it: one run simulates all of them."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.places import CONF, options
from calrun.report.measure.curves import LINE
from calrun.stop_al.base import STOP_SET, VALIDATION, StopAL, first_stop

GROUP = "stop_al"


@cache
def rules() -> Mapping[str, StopAL]:
    """Returns each rule that can stop a run, with the values of its file."""
    found: dict[str, StopAL] = {}
    for option in options(GROUP)[GROUP]:
        node = yaml.safe_load((CONF / GROUP / f"{option}.yaml").read_text(encoding="utf-8"))
        rule = instantiate(OmegaConf.create(node.get(GROUP, node)))
        found |= {option: rule} if rule.needs else {}
    return found


def simulated(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns what each rule would have done, a row for each run and rule that has in every round what it looks at.

    A run that was itself stopped by a rule is left out: what the others would have done later is not known.

    Returns:
        The columns LINE, run_id, seed and rule; `after`, the round after which it stops, and `labelled` then (not a
        number where it does not stop); `saved`, the share of the run's labels that were not bought; `given_up`, the
        accuracy after the last round minus that after `after`.
    """
    found = []
    for _, run in runs.groupby("run_id", sort=False):
        rounds = run.sort_values("round")
        if num_stopped(rounds):
            continue
        lines = [line_of(row) for row in rounds.to_dict("records")]
        last = rounds.iloc[-1]
        for name, rule in rules().items():
            if not all(line.get(need) for line in lines for need in rule.needs):
                continue
            stop = first_stop(rule, lines, len(lines))
            at = rounds.iloc[stop.after - 1] if stop else None
            found.append(
                {
                    **{key: last[key] for key in (*LINE, "run_id", "seed")},
                    "rule": name,
                    "after": None if at is None else int(at["round"]),
                    "labelled": None if at is None else int(at["labelled"]),
                    "saved": None if at is None else 1 - at["labelled"] / last["labelled"],
                    "given_up": None if at is None else last["accuracy"] - at["accuracy"],
                }
            )
    columns = [*LINE, "run_id", "seed", "rule", "after", "labelled", "saved", "given_up"]
    numbers = dict.fromkeys(columns[-4:], float)
    return pd.DataFrame(found, columns=columns).astype(numbers)


def num_stopped(runs: pd.DataFrame) -> int:
    """Returns how many of these runs a rule of their own has stopped."""
    return int(runs.loc[runs["stopped"].notna(), "run_id"].nunique()) if "stopped" in runs else 0


def line_of(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns a round of the tidy table as a line that a rule looks at; numbers that it lacks are left out."""
    return {"labelled": row["labelled"], **{name: numbers_below(row, name) for name in (STOP_SET, VALIDATION)}}


def numbers_below(row: Mapping[Any, Any], name: str) -> dict[str, Any]:
    start = f"{name}_"
    return {
        str(key).removeprefix(start): value
        for key, value in row.items()
        if str(key).startswith(start) and pd.notna(value)
    }


def unrecorded(runs: pd.DataFrame, found: pd.DataFrame) -> Sequence[str]:
    """Returns the rules that none of these runs could be asked about."""
    return sorted(set(rules()) - set(found["rule"])) if len(runs) else []
