"""What `record` asks for after rounds were played without it: what their states still give, and what is lost."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrun.folder.round_line import accuracy, headline
from calrun.text.say import say

if TYPE_CHECKING:
    from calrun.experiment import Experiment
    from calrun.folder.record import Record

OF_FITS = ("energy", "dynamics")  # cannot be found out once a fit has ended
FIELD = {"metrics": "test", "further_tests": "test"}  # where a round's line holds what `record` calls by another name


@dataclass(frozen=True)
class MissingRecords:
    """Rounds that lack something that `record` asks for.

    Args:
        can_be_made: the rounds whose state is still there, by the name of what they lack.
        lost: the other rounds, likewise.
    """

    can_be_made: dict[str, list[int]] = field(default_factory=dict)
    lost: dict[str, list[int]] = field(default_factory=dict)

    def say(self, quiet: bool) -> None:
        """Says what can no longer be recorded."""
        for name, rounds in self.lost.items():
            why = "" if name in OF_FITS else ", and their states are gone (record.keep_states=true keeps them)"
            say(
                f"record.{name} was not asked for when rounds {', '.join(map(str, rounds))} were played{why}: they "
                "stay without it; --fresh plays anew",
                quiet,
            )


def missing_records(folder: Path, lines: list[dict[str, Any]], options: Mapping[str, Any]) -> MissingRecords:
    """Returns what committed rounds lack of what is asked for now."""
    missing = MissingRecords()
    for line in lines:
        number = line["round"]
        there = {
            "accuracy_by_round": "accuracy_by_round" in line,
            "metrics": {*options.get("metrics", ())} <= {name.partition("/")[0] for name in headline(line)},
            "test_entropy": (folder / f"round-{number}" / "test_entropy.npy").exists(),
            "stop_set": "stop_set" in line,
            "energy": "energy_kwh" in line,
            "dynamics": (folder / f"round-{number}" / "dynamics.npz").exists(),
            "further_tests": has_further_tests(line, options.get("further_tests", "never")),
        }
        if math.isnan(accuracy(line)):  # a round that was not evaluated lacks nothing of that
            there = {"energy": there["energy"]}
        with_state = (folder / f"state-{number}.pt").exists()
        for name in (name for name, found in there.items() if options.get(name) and not found):
            where = missing.can_be_made if with_state and name not in OF_FITS else missing.lost
            where.setdefault(name, []).append(number)
    return missing


def has_further_tests(line: Mapping[str, Any], wanted: str) -> bool:
    """Tells whether a round has those of the further test sets that are asked for of it."""
    concerned = wanted == "every" or (wanted == "last" and line["round"] == line["rounds"])
    return not concerned or any("/" in name for name in line["test"])


def make_records(exp: "Experiment", record: "Record") -> None:
    """Computes, from their states, what committed rounds lack; the experiment must stand after the last of them."""
    lines = {line["round"]: line for line in record.rounds()}
    missing = missing_records(record.folder, list(lines.values()), asdict(exp.record)).can_be_made
    if not missing:
        return
    from calrun.folder.evaluate import evaluate

    last = exp.method.carried()
    for number in sorted({number for rounds in missing.values() for number in rounds}):
        exp.method.restore(record.read_state(number))
        again = evaluate(exp, exp.round(number, record.folder).ended(lines[number]))
        made = ["validation", *(FIELD.get(name, name) for name in missing)]
        lines[number] |= {name: again[name] for name in made if name in again}
    exp.method.restore(last)
    record.amend(list(lines.values()))
