"""What a multirun asks of SLURM: the options of the group hydra/launcher, each of its kind."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calrun.slurm.memory import BY_PLAN

MINUTES = 5_256_000  # in ten years; SLURM takes more for no limit at all
WHOLE = {  # options that are whole numbers: the least and the most
    "pack": (1, 10_000), "timeout_min": (1, MINUTES), "signal_delay_s": (0, 60 * MINUTES), "nodes": (1, 1_000),
    "tasks_per_node": (1, 1_000), "cpus_per_task": (1, 10_000), "gpus_per_node": (0, 1_000),
    "array_parallelism": (1, 1_000_000),
}  # fmt: skip
MAY_LACK = ("cpus_per_task", "gpus_per_node", "array_parallelism")
SENT_AGAIN = ("waiting", "interrupted", "failed", "lost", "cancelled", "damaged", "labels wanted")
OURS = ("pack", "side_by_side", "wait", "only", "setup")  # options that are not submitit's


@dataclass(frozen=True)
class Wanted:
    """What a multirun asks of SLURM.

    Args:
        resources: arguments of submitit's executor, by their names there.
        pack: how many runs one job plays.
        side_by_side: whether it plays them at the same time rather than one after the other.
        only: states of runs that are sent; empty: all that want to be played.
        wait: whether to wait until the runs have ended.
    """

    resources: dict[str, Any]
    pack: int
    side_by_side: bool
    only: tuple[str, ...]
    wait: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Wanted":
        """Returns what the options of the group hydra/launcher say.

        Raises:
            ValueError: if one of them is not of its kind.
        """
        refuse_others(options)
        if (options["nodes"], options["tasks_per_node"]) != (1, 1):
            raise ValueError("a run is one task of its job; set the launcher's nodes and its tasks_per_node to 1")
        resources = {key: value for key, value in options.items() if key not in OURS and value is not None}
        resources["setup"] = [checked(str(line)) for line in options["setup"] or []]
        only = options["only"] or ()
        states = tuple(only.split(",") if isinstance(only, str) else map(str, only))
        if unknown := [state for state in states if state not in SENT_AGAIN]:
            raise ValueError(f"only wants states among {', '.join(SENT_AGAIN)}, got {', '.join(unknown)}")
        return cls(resources, options["pack"], options["side_by_side"], states, options["wait"])


def refuse_others(options: Mapping[str, Any]) -> None:
    """Raises a ValueError if an option of the group hydra/launcher is not of its kind."""
    for key, (low, high) in WHOLE.items():
        value = options[key]
        if (value is None and key in MAY_LACK) or (type(value) is int and low <= value <= high):
            continue
        raise ValueError(f"hydra.launcher.{key} wants a whole number from {low} to {high:,}, got {value!r}")
    for key in ("side_by_side", "wait"):
        if not isinstance(options[key], bool):
            raise ValueError(f"hydra.launcher.{key} wants true or false, got {options[key]!r}")
    memory = options["mem_gb"]
    if memory not in (None, BY_PLAN) and not (type(memory) in (int, float) and memory > 0):
        raise ValueError(f"hydra.launcher.mem_gb wants a number of GB above 0, or {BY_PLAN}, got {memory!r}")
    for key, kind in (("setup", list), ("additional_parameters", dict)):
        if options[key] is not None and not isinstance(options[key], kind):
            shape = "[COMMAND, COMMAND]" if kind is list else "{NAME: VALUE}"
            raise ValueError(f"hydra.launcher.{key} wants {shape}, got {options[key]!r}")


def checked(command: str) -> str:
    """Returns a command of the shell after whose failure the job does not go on."""
    said = f"calrun: setup has failed, so that no run begins: {command}"
    return f"{{\n{command}\n}} || {{ echo {shlex.quote(said)} >&2; exit 1; }}"
