"""What every rule that ends active learning must obey, whatever it looks at."""

import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.places import CONF
from calrun.stop_al.base import STOP_SET, VALIDATION, StopAL, Told, asked, first_stop, told

OPTIONS = sorted(path.stem for path in (CONF / "stop_al").glob("*.yaml"))
STEADY = {"kappa": 1.0, "entropy": 0.0, "confidence": 1.0, "confidence_variance": 0.0}


def rule(option: str) -> StopAL:
    """The rule of an option, as its file says it."""
    found = yaml.safe_load((CONF / "stop_al" / f"{option}.yaml").read_text())
    made = instantiate(OmegaConf.create(found.get("stop_al", found)))
    assert isinstance(made, StopAL)
    return made


def steady(number: int) -> Told:
    """A round of a network that has nothing left to learn."""
    before = {} if number > 1 else {"kappa": None}  # there is no round before the first
    return Told(20 * number, {**STEADY, "confidence_variance": 0.1 / number, **before}, {"accuracy": 1.0})


@pytest.mark.parametrize("option", OPTIONS)
def test_a_rule_names_what_it_looks_at_and_ends_a_run_that_has_nothing_to_gain(option: str) -> None:
    made, rounds = rule(option), [steady(number) for number in range(1, 9)]
    assert made.needs <= {STOP_SET, VALIDATION}
    reasons = [made.reason(rounds[:number]) for number in range(1, 9)]
    assert not any(reasons[: made.earliest - 1])
    assert bool(reasons[made.earliest - 1]) == bool(reasons[-1]) == (option != "none") == bool(made.needs)
    assert reasons == [made.reason(rounds[:number]) for number in range(1, 9)]  # it remembers nothing
    unseen = {STOP_SET: {"stop_set": {}}, VALIDATION: {"validation": {}}}
    for name in made.needs:
        assert made.reason([replace(one, **unseen[name]) for one in rounds]) == ""


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_unknown_stops_nothing(option: str) -> None:
    """Null in a round's line, as where a run was asked for the stop set later."""
    rounds = [Told(20, dict.fromkeys(STEADY), {"accuracy": None})] * 8
    assert rule(option).reason(rounds) == ""


def test_a_rule_sees_no_test_set() -> None:
    line = {"labelled": 20, "test": {"test": {"accuracy": 0.5}}, "stop_set": {"kappa": 1.0}, "train_accuracy": 1.0}
    assert told(line) == Told(20, {"kappa": 1.0})


class AfterTwo(StopAL):
    """Stops after every round from the second on."""

    def reason(self, rounds: list[Told]) -> str:  # type: ignore[override]
        return "two are enough" if len(rounds) > 1 else ""


@pytest.mark.parametrize(
    ("played", "planned", "after"), [(1, 5, None), (2, 5, 2), (4, 5, 2), (5, 2, None), (2, 2, None)]
)
def test_the_last_planned_round_ends_by_the_budget(played: int, planned: int, after: int | None) -> None:
    stop = first_stop(AfterTwo(), [{"labelled": 20}] * played, planned)
    assert (None if stop is None else stop.after) == after


class Bold(StopAL):
    """Looks at a number without asking whether it is there, and answers with it."""

    needs = frozenset({STOP_SET})

    def reason(self, rounds: list[Told]) -> str:  # type: ignore[override]
        return rounds[-1].stop_set["kappa"]  # type: ignore[return-value]


def test_a_rule_is_not_asked_after_a_round_that_lacks_what_it_looks_at_and_answers_with_text() -> None:
    assert asked(Bold(), [Told(20)]) == ""
    with pytest.raises(ValueError, match=r"stop_al=Bold wants to answer with .* but came 0.5; correct its `reason`"):
        asked(Bold(), [Told(20, {"kappa": 0.5})])


def test_rules_import_nothing_that_trains() -> None:
    """A finished run is asked for by its rule, and answers at once."""
    words = ";".join(f"import calrun.stop_al.{option}" for option in OPTIONS if option != "none")
    found = subprocess.run(
        [sys.executable, "-c", f"import sys;{words};print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert found.stdout.strip() == "False", found.stderr
