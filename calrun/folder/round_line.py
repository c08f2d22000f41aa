"""The line of rounds.jsonl, which commits a round: all that writes, reads and checks it, or takes a number out of it.

Reading imports no training library.
"""

import csv
import io
import json
import math
import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calrun.folder.notes import notes_of
from calrun.machine.files import damaged

if TYPE_CHECKING:
    import torch

    from calrun.experiment import Experiment
    from calrun.part.setup import FitResult
    from calrun.round import Round


def is_number(value: Any) -> bool:
    """Tells whether a value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Tells whether a value is a number of things, 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def is_share(value: Any) -> bool:
    """Tells whether a value is a share, from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def is_text(value: Any) -> bool:
    """Tells whether a value is text."""
    return isinstance(value, str)


def is_numbers(value: Any) -> bool:
    """Tells whether a value holds numbers by name, null where one is unknown."""
    return isinstance(value, dict) and all(number is None or is_number(number) for number in value.values())


def is_number_list(value: Any) -> bool:
    """Tells whether a value is a list of numbers, null where one is unknown."""
    return isinstance(value, list) and all(number is None or is_number(number) for number in value)


def is_numbers_by_set(value: Any) -> bool:
    """Tells whether a value holds numbers by name for each of one or more test sets."""
    return isinstance(value, dict) and bool(value) and all(map(is_numbers, value.values()))


FIELDS: dict[str, Callable[[Any], bool]] = {  # fields in the order of a line and of metrics.csv
    "round": is_count,
    "rounds": is_count,
    "labelled": is_count,
    "labelled_fraction": is_number,
    "test": is_numbers_by_set,
    "validation": is_numbers,
    "stop_set": is_numbers,
    "accuracy_by_round": is_number_list,
    "train_accuracy": is_share,
    "energy_kwh": is_number,
    "steps": is_number,
    "epochs": is_number,
    "samples_forward": is_number,
    "samples_backward": is_number,
    "stop_reason": is_text,
    "stopped": is_text,
    "warning": is_text,
    "notes": is_numbers,
    "class_counts": is_number_list,
    "imbalance_ratio": is_number,
    "label_entropy": is_number,
    "peak_memory_bytes": is_number,
    "device": is_text,
    "seconds": is_numbers,
    "cumulative_fit_seconds": is_number,
}
PLAIN = tuple(name for name, fits in FIELDS.items() if fits in (is_number, is_share, is_text, is_number_list))
NEEDED = ("round", "labelled", "test")  # fields that no reader can do without


def headline(line: Mapping[str, Any]) -> dict[str, float]:
    """Returns the metrics of a round on the first test set, which stands for the run."""
    tests: dict[str, dict[str, float]] = line["test"]
    return next(iter(tests.values()))


def accuracy(line: Mapping[str, Any]) -> float:
    """Returns the accuracy of a round on the first test set, which stands for the run; NaN if it was not evaluated."""
    found: float | None = headline(line)["accuracy"]
    return math.nan if found is None else found


def percent(share: float) -> str:
    """Returns an accuracy as text; a dash for that of a round that was not evaluated."""
    return "-" if math.isnan(share) else f"{share:.2%}"


def round_text(name: str, line: dict[str, Any]) -> str:
    """Returns the line that the terminal shows of a finished round."""
    seconds = line["seconds"]
    return (
        f"{name}  round {line['round']:>2}/{line['rounds']:<2}  labels {line['labelled']:>7}  "
        f"accuracy {percent(accuracy(line)):>6}  train {line['train_accuracy']:6.2%}  fit {seconds['fit']:7.1f} s  "
        f"score {seconds.get('score', 0):5.1f} s  select {seconds.get('select', 0):5.1f} s  "
        f"epochs {line['epochs']:>3}  stop: {line['stop_reason']}{vain_text(line)}"
    )


def vain_text(line: dict[str, Any]) -> str:
    """Returns how many of the labels were of unknown classes; an empty text where every row has a class."""
    in_vain = (line.get("notes") or {}).get("unknown_class")
    return "" if in_vain is None else f"  unknown class: {in_vain:.0f} of {line['labelled']}"


def flatten(line: Mapping[str, Any], prefix: str = "") -> dict[str, float | int | str]:
    """Returns a round's numbers under names such as test/accuracy; lists and what is unknown are left out."""
    flat: dict[str, float | int | str] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        elif value is not None and not isinstance(value, list):
            flat[prefix + key] = value
    return flat


def imbalance_ratio(counts: Sequence[float]) -> float:
    """Returns the labels of the most sampled class over those of the least; inf if a class has none (Emam, Sec. 5)."""
    return max(counts) / min(counts) if min(counts) else math.inf


def label_entropy(counts: Sequence[float]) -> float:
    """Returns the entropy in nats of the class distribution, log C at most (Emam et al., App. B)."""
    shares = [count / sum(counts) for count in counts if count]
    return sum(-share * math.log(share) for share in shares) + 0.0  # never -0


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a rounds.jsonl that a run can go on from; empty if the file is missing.

    Raises:
        ValueError: if the file is damaged, with the number of the line.
    """
    lines, fault = whole_lines(path, check_committed)
    if fault:
        raise damaged(path, fault)
    return lines


def committed_rounds(folder: Path) -> list[dict[str, Any]]:
    """Returns the lines of a run folder's finished rounds."""
    return read_rounds(folder / "rounds.jsonl") if (folder / "config.yaml").exists() else []


def whole_lines(path: Path, check: Callable[[Any], None]) -> tuple[list[dict[str, Any]], str]:
    """Returns rounds 1, 2, ... up to the first that is broken or out of order, and what is wrong with that one."""
    lines: list[dict[str, Any]] = []
    try:
        texts = path.read_bytes().splitlines()
    except FileNotFoundError:
        return lines, ""
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            return lines, f"line {number} is no JSON"
        try:
            check(line)
            if line["round"] != number:
                raise ValueError(f"it holds round {line['round']}")
        except ValueError as error:
            return lines, f"line {number}: {error}"
        lines.append(line)
    return lines, ""


def check_line(line: Any) -> None:
    """Checks that every value of a round is of its kind; what is absent or null is unknown, and allowed.

    Raises:
        ValueError: a value is of another kind, or there is no round, no number of labels or no test accuracy.
    """
    if not isinstance(line, dict):
        raise ValueError("it is no object")
    for name, fits in FIELDS.items():
        value = line.get(name)
        if not fits(value) and (value is not None or name in NEEDED):
            raise ValueError(f"{name} is of the wrong kind: {value!r}"[:80])
    first, *others = line["test"].values()
    shares = [numbers.get("accuracy") for numbers in (first, *others)]
    wild = [share for share in shares if share is not None and not is_share(share)]  # null: was not evaluated
    if wild or "accuracy" not in first:
        raise ValueError(f"an accuracy is no number from 0 to 1: {next(iter(wild), None)!r}"[:80])


def check_committed(line: Any) -> None:
    """Checks a line of a run that is to go on, which needs more of it than a report does.

    Raises:
        ValueError: as in `check_line`, or the number of rounds or the seconds of the fit are missing.
    """
    check_line(line)
    if line.get("rounds") is None:
        raise ValueError("it has no number of rounds")
    if not is_number((line.get("seconds") or {}).get("fit")):
        raise ValueError("it has no seconds of the fit")


def round_line(exp: "Experiment", this_round: "Round", result: "FitResult", metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that is known about a finished round, except the seconds of its phases."""
    pool, work, num_bought = exp.pool, exp.method.work, exp.pool.num_bought
    device = exp.predictor.device
    return {
        "round": this_round.number,
        "rounds": this_round.num_rounds,
        "labelled": num_bought,
        "labelled_fraction": num_bought / len(pool),
        **metrics,
        "train_accuracy": result.train_accuracy,
        "seconds": {"fit": result.seconds, **result.seconds_of},
        **({} if math.isnan(result.energy_kwh) else {"energy_kwh": result.energy_kwh}),
        "steps": work.steps,
        "epochs": work.epochs,
        "samples_forward": work.samples_forward,
        "samples_backward": work.samples_backward,
        "stop_reason": result.stop_reason,
        **({"warning": result.warning} if result.warning else {}),
        "notes": notes_of(exp, this_round),
        **balance(exp.task.class_counts(pool.targets_of(pool.labelled), pool.num_classes).tolist()),
        "peak_memory_bytes": peak_memory_bytes(device),
        "device": str(device),
    }


def timed(line: dict[str, Any], seconds: Mapping[str, float], past: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Returns a round's line with the seconds of its phases, and those of all fits so far."""
    fit = line["seconds"]["fit"]  # without the work around the fits
    fits = fit + sum(earlier["seconds"]["fit"] for earlier in past)
    return {**line, "seconds": {**seconds, **line["seconds"]}, "cumulative_fit_seconds": fits}


def in_order(line: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a line in their order, unknown ones last."""
    return {name: line[name] for name in [*FIELDS, *line] if name in line}


def balance(counts: Sequence[int]) -> dict[str, Any]:
    """Returns class counts, their imbalance ratio and the entropy of the labels in nats (Emam et al. 2021, Sec. 5).

    The ratio is null while a class has no label: JSON has no infinity.
    """
    ratio = imbalance_ratio(counts)
    return {
        "class_counts": list(counts),
        "imbalance_ratio": ratio if math.isfinite(ratio) else None,
        "label_entropy": label_entropy(counts),
    }


def peak_memory_bytes(device: "torch.device") -> int:
    """Returns the peak of memory in use so far: the device's if it counts its own, otherwise the process's."""
    import torch  # not above: reading lines needs no torch

    module = torch.get_device_module(device)
    if hasattr(module, "max_memory_allocated"):
        return int(module.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def jsonl(lines: Iterable[Mapping[str, Any]]) -> str:
    """Returns the text of rounds.jsonl."""
    return "".join(json.dumps(in_order(line)) + "\n" for line in lines)


def metrics_csv(lines: Iterable[Mapping[str, Any]]) -> str:
    """Returns the text of metrics.csv: the numbers of all rounds as a table."""
    flat = [flatten({name: line[name] for name in FIELDS if name in line}) for line in lines]
    place = {name: number for number, name in enumerate(FIELDS)}
    header = sorted({key: None for line in flat for key in line}, key=lambda key: place[key.partition("/")[0]])
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
