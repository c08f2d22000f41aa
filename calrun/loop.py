"""The active-learning loop: train, evaluate, score, select, label, commit."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from calrun.experiment import Experiment
from calrun.folder.evaluate import evaluate
from calrun.folder.record import Record
from calrun.folder.restored import restore
from calrun.folder.round_line import round_line
from calrun.method.fit.fit import Fitter
from calrun.parallel.world import of_first, wait
from calrun.stop_al.base import last_round


def run(exp: Experiment, record: Record, fit: Fitter, tell: Sequence[Callable[[dict[str, Any]], None]] = ()) -> float:
    """Plays every round that `record` does not hold yet; returns the last round's accuracy on the first test set."""
    for this_round in exp.rounds(record.folder, after=restore(exp, record)):
        with record.time("fit", this_round):
            exp.method.begin_round(this_round)
            result = exp.method.train_round(fit, this_round)

        with record.time("evaluate", this_round):
            metrics = evaluate(exp, this_round, record.rounds())
            this_round = this_round.ended(metrics)  # the last one if the rule of stop_al says so

        rows = exp.pool.nothing
        if not this_round.is_last:
            with record.time("score", this_round):
                candidates = exp.method.candidates(exp.acquisition, this_round)

            with record.time("select", this_round):
                rng = this_round.rng("acquisition")
                rows = of_first(partial(exp.acquisition.select, candidates, this_round.budget, rng))

        line = round_line(exp, this_round, result, metrics)
        exp.pool.label(rows, this_round.number + 1)
        line = record.save(line, exp)  # a killed job resumes after this line
        wait()
        for listener in tell:
            listener(line)
    return record.finish(last_round(exp.stop_al, record.rounds(), len(exp.sizes)))
