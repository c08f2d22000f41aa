"""A run that goes on past its last round: its folder becomes what it would be had more rounds been asked for."""

from functools import partial
from typing import TYPE_CHECKING, Any

from calrun.folder.picks import refuse_short
from calrun.parallel.world import of_first

if TYPE_CHECKING:
    from calrun.experiment import Experiment
    from calrun.folder.record import Record


def extend(exp: "Experiment", record: "Record") -> None:
    """Buys what the last committed round did not, and writes the new number of rounds into every line.

    Args:
        exp: as it stands after the last committed round.
        record: of a run with at least one committed round; picks.csv says what was bought before the line does.

    Raises:
        ValueError: if another process has taken the folder over.
    """
    lines, planned = record.rounds(), len(exp.sizes)
    number = lines[-1]["round"]
    if number >= planned:
        return
    if number + 1 not in exp.pool.bought:
        lines[-1] |= _bought(exp, record, lines[-1])
        lines[-1].pop("stopped", None)
        record.picks(exp)
    if any(line["rounds"] != planned for line in lines):
        record.amend([line | {"rounds": planned} for line in lines])


def _bought(exp: "Experiment", record: "Record", line: dict[str, Any]) -> dict[str, Any]:
    """Buys the rows for the round after a line's; returns what the line lacks about it."""
    this_round = exp.round(line["round"], record.folder)
    with record.time("score", this_round):
        candidates = exp.method.candidates(exp.acquisition, this_round)
    with record.time("select", this_round):
        rng = this_round.rng("acquisition")
        rows = of_first(partial(exp.acquisition.select, candidates, this_round.budget, rng))
    exp.pool.label(rows, this_round.number + 1)
    refuse_short(exp, this_round.number)
    return {
        "notes": line["notes"] | exp.acquisition.notes(),
        "seconds": {**line["seconds"], **record.seconds, "commit": line["seconds"]["commit"]},
    }
