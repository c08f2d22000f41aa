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
    widths, problems = {bool(number): _num_features(exp, number) for number in (0, 1)}, dict[str, str]()
    for number in range(len(exp.sizes)):
        num_features = widths[bool(number)]
        group, acquisition = acquisition_of(exp, number)
        refusal = acquisition.cost(replace(choice_sizes(exp, number), features=num_features)).refusal
        if refusal and group not in problems:
            when = f"after round {number} of {len(exp.sizes)}" if number else "for the initial rows"
            problems[group] = f"{group} refuses to choose {when}: {refusal}"
    return list(problems.values())


def _num_features(exp: Experiment, number: int) -> int:
    """Returns the D of a choice, found by passing a row through the network, which would compute missing features."""
    if exp.behind is not None:
        return exp.behind.width
    looking = exp.method.looking(number)
    if looking is None:
        return exp.method.evaluated().head.in_features
    net, setup = looking
    with setup.predictor.evaluating(net):
        _, x = next(iter(setup.predictor.batches(setup.train, exp.pool.unlabelled[:1])))
        width: int = net(x).features_BD.shape[1]
    return width
