"""What a run goes on from: pool and method as the last committed round left them, and what was asked for since."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrun.folder.extended import extend
from calrun.folder.later import make_records
from calrun.folder.picks import restore_picks
from calrun.folder.record import Record
from calrun.machine.files import damaged, whole
from calrun.stop_al.base import first_stop

if TYPE_CHECKING:
    from calrun.experiment import Experiment


def restore(exp: "Experiment", record: Record) -> int:
    """Puts pool and method where the last committed round left them; returns that round, 0 for a new run.

    Of a run that its rule has stopped nothing is left to play: it returns the last round of the budget.
    """
    lines = record.rounds()
    if lines:
        restore_picks(record.folder / "picks.csv", exp, _labelled(record.folder / "rounds.jsonl", lines, exp.sizes))
        state = record.read_state(len(lines))
        with whole(record.folder / f"state-{len(lines)}.pt"):
            exp.method.restore(state)
        make_records(exp, record)
        is_over = first_stop(exp.stop_al, record.rounds(), len(exp.sizes)) is not None
        if not is_over:
            extend(exp, record)
    record.tidy(len(lines), exp.record.keep_states)
    return len(exp.sizes) if lines and is_over else len(lines)


def _labelled(path: Path, lines: list[dict[str, Any]], sizes: list[int]) -> list[int]:
    """Returns how many rows are labelled in rounds 1, 2, ..., with those bought after the last line's round."""
    labelled = [line["labelled"] for line in lines]
    for number, (came, wanted) in enumerate(zip(labelled, sizes, strict=False), start=1):
        if came != wanted:
            raise damaged(path, f"line {number} has {came} labelled rows instead of the budget's {wanted}")
    bought_more = lines[-1]["round"] < lines[-1]["rounds"] and len(lines) < len(sizes)
    return [*labelled, sizes[len(lines)]] if bought_more else labelled
