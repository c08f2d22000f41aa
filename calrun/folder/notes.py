"""What a round's line says beside its numbers: of the labels that taught nothing, of the method and the acquisition."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calrun.experiment import Experiment
    from calrun.round import Round


def notes_of(exp: "Experiment", this_round: "Round") -> dict[str, Any]:
    """Returns numbers by name, as Python's own, whichever library they came from."""
    own = {**exp.method.notes(), **({} if this_round.is_last else exp.acquisition.notes())}
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in own.items()}
    return {**in_vain(exp, this_round), **plain}


def in_vain(exp: "Experiment", this_round: "Round") -> dict[str, float]:
    """Returns how many labels so far were of unknown classes, and the share of the round's own that were not.

    The share is the query precision of Ning et al. 2022 (LfOSA). Nothing where every row has a class.
    """
    pool = exp.pool
    num_in_vain = int(pool.without_class.sum())
    if not exp.data.unknown_classes and not num_in_vain:
        return {}
    precision = len(this_round.current_rows) / len(pool.bought[this_round.number])
    return {"unknown_class": float(num_in_vain), "query_precision": precision}
