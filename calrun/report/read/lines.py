"""One line of rounds.jsonl: what the reports take from it, and whether it holds that."""

from typing import Any

SUMMED = ("fit_seconds", "steps", "epochs", "samples_forward", "samples_backward", "energy_kwh")
NUMBERS = ("labelled_fraction", "train_accuracy", "imbalance_ratio", "label_entropy", "peak_memory_bytes")
TEXTS = ("stop_reason", "device")
LISTS = ("class_counts", "accuracy_by_round")
MOST = 2**63 - 1  # of a count
SCALARS = (*NUMBERS, *TEXTS, *LISTS)


def check_line(line: Any) -> None:
    """Checks that every value of a round is of its kind; what is absent or null is unknown and no fault.

    Raises:
        ValueError: a value is of another kind, or there is no round, no number of labels or no test accuracy.
    """
    if not isinstance(line, dict):
        raise ValueError("no object")
    tests = line.get("test")
    if not isinstance(tests, dict) or not tests or not all(map(is_numbers, tests.values())):
        raise ValueError("test holds no numbers by test set")
    for name in ("round", "labelled"):
        if not is_count(line.get(name)):
            raise ValueError(f"{name} is no whole number above 0: {line.get(name)!r}")
    first, *others = (numbers.get("accuracy") for numbers in tests.values())
    known = [first, *(share for share in (*others, line.get("train_accuracy")) if share is not None)]
    if wild := [share for share in known if not is_share(share)]:
        raise ValueError(f"an accuracy is no number from 0 to 1: {wild[0]!r}")
    if not is_numbers(line.get("seconds", {})):
        raise ValueError("seconds holds no numbers by step")
    kinds = ((SUMMED + NUMBERS, is_number), (TEXTS, is_text), (LISTS, is_number_list))
    wrong = [name for names, fits in kinds for name in names if line.get(name) is not None and not fits(line[name])]
    if wrong:
        raise ValueError(f"{wrong[0]} is of the wrong kind: {line[wrong[0]]!r}"[:80])


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST


def is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_numbers(value: Any) -> bool:
    """Says whether `value` holds numbers by name, null where one is unknown."""
    return isinstance(value, dict) and all(number is None or is_number(number) for number in value.values())


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_number_list(value: Any) -> bool:
    """Says whether `value` is a list of numbers, null where one is unknown."""
    return isinstance(value, list) and all(number is None or is_number(number) for number in value)
