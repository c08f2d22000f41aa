"""What the choices of a run start from, and which of them would refuse to start: known before anything is trained."""

from dataclasses import replace

from calrun.acquisition.base import Acquisition
from calrun.dataset.base import Dataset
from calrun.experiment import Experiment
from calrun.look.sizes import Sizes


def acquisition_of(exp: Experiment, number: int) -> tuple[str, Acquisition]:
    """Returns the configuration group and the acquisition that choose after round `number`; 0 is the initial choice."""
    return ("acquisition", exp.acquisition) if number else ("initial", exp.initial)


def choice_sizes(exp: Experiment, number: int) -> Sizes:
    """Returns the sizes of the choice after round `number`, without those of the network; 0 is the initial choice."""
    labelled = exp.sizes[number - 1] if number else 0
    acquisition, budget = acquisition_of(exp, number)[1], exp.sizes[number] - labelled
    return data_sizes(exp.data, acquisition, len(exp.pool) - labelled, labelled, budget)


def data_sizes(data: Dataset, acquisition: Acquisition, candidates: int, labelled: int, budget: int) -> Sizes:
    """Returns the sizes of a choice from a data set, without those of the network."""
    return Sizes(
        candidates=candidates,
        labelled=labelled,
        classes=data.num_classes,
        features=0,
        budget=budget,
        mc_samples=acquisition.num_mc_samples,
        validation=0 if data.val is None else len(data.val),
        input_shape=data.input_shape,
        tokens=data.vocabulary is not None,
    )


def refused_choices(exp: Experiment) -> list[str]:
    """Returns a sentence for the initial choice if it would refuse to start, and one for the first later such one."""
    num_features, problems = _num_features(exp), dict[str, str]()
    for number in range(len(exp.sizes)):
        group, acquisition = acquisition_of(exp, number)
        refusal = acquisition.cost(replace(choice_sizes(exp, number), features=num_features)).refusal
        if refusal and group not in problems:
            when = f"after round {number} of {len(exp.sizes)}" if number else "for the initial rows"
            problems[group] = f"{group} refuses to choose {when}: {refusal}"
    return list(problems.values())


def _num_features(exp: Experiment) -> int:
    """Returns D, found by passing one row through the network, which would compute features that are not there yet."""
    if exp.behind is not None:
        return exp.behind.width
    rows = exp.pool.unlabelled[:1]
    with exp.predictor.evaluating(exp.method.evaluated()):
        _, x = next(iter(exp.predictor.batches(exp.data.train, rows)))
        width: int = exp.method.evaluated()(x).features_BD.shape[1]
    return width
