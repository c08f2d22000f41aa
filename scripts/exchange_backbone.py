"""What the head of a fine-tuned network is worth on the pre-trained backbone. Wen et al. 2024, Sec. 4.2, Figure 7.

    calrun reproduce wen/fig7 model=resnet50 model.checkpoint=FILE
    python scripts/exchange_backbone.py outputs/wen/fig7 --out exchange.csv

Takes every evaluated round of SVPp whose state was kept (record.keep_states=true) and measures, on the run's first test
set, the fine-tuned network and the same head on the backbone whose features the proxy has seen. The loss is the
difference of the accuracies; the less it is, the more alike the features of both. The data must lie where the run found
it.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.errors import MISTAKES, sentence
from calrun.experiment import Experiment, build
from calrun.folder.round_line import accuracy, committed_rounds
from calrun.model.base import Classifier
from calrun.network.run_files import run_files
from calrun.report.read.runs import Runs, read
from calrun.report.table.written import write_frame

BY = ["panel", "method", "acquisition", "variant", "labelled"]


def main() -> int:
    """Measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold them")
    parser.add_argument("--out", type=Path, help="a CSV of all rounds and seeds")
    given = parser.parse_args()
    try:
        measured = exchanged(read(given.folders))
        print_means(measured)
        if given.out is not None:
            print(write_frame(given.out, measured))
    except MISTAKES as error:
        print(f"exchange_backbone: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


def exchanged(runs: Runs) -> pd.DataFrame:
    """Returns accuracy, that of the exchanged network, and the loss by run and round.

    Raises:
        ValueError: if no round of any run can be measured, with the reason of each run.
    """
    names = runs.table.drop_duplicates("run_id").set_index("run_id")[[*BY[:-1], "seed"]].to_dict("index")
    found, reasons = list[dict[str, Any]](), []
    for run_id, folder in runs.folders.items():
        try:
            found += [{**names[run_id], **own} for own in losses(folder)]
        except ValueError as error:
            reasons.append(str(error))
    for reason in reasons:
        print(f"left out: {reason}", file=sys.stderr)
    if not found:
        raise ValueError(f"no run can be measured (of runs looked at: {len(runs.folders)})")
    return pd.DataFrame(found)


def losses(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields the numbers of each evaluated round of a run whose state was kept.

    Raises:
        ValueError: if it was not played with SVPp, or its data is not what it was.
    """
    exp: Experiment | None = None
    for line in committed_rounds(folder):
        number = line["round"]
        if math.isnan(accuracy(line)) or not (folder / f"state-{number}.pt").exists():
            continue
        files = run_files(folder, number)
        state = files.state()
        refuse_others(folder, state)
        if exp is None:
            exp = build(files.cfg_where_it_was_played())
            refuse_other_data(folder, exp, files.config["data_fingerprint"])
        exp.method.restore(state)
        net = exp.method.evaluated()
        whole, swapped = (accuracy_of(exp, each) for each in (net, on_backbone(net, state["sight"]["backbone"])))
        told = {"labelled": line["labelled"], "accuracy": whole, "exchanged": swapped}
        yield {**told, "loss": whole - swapped}


def refuse_others(folder: Path, state: dict[str, Any]) -> None:
    """Raises a ValueError for a state that holds no pre-trained backbone beside the fine-tuned network."""
    sight = state.get("sight") or {}
    if "backbone" not in sight:
        raise ValueError(f"{folder} keeps no backbone beside its network; play it with method=svpp")
    if sight["version"]:
        raise ValueError(f"{folder} has computed its features anew, so its backbone is no longer the pre-trained one")


def refuse_other_data(folder: Path, exp: Experiment, before: str) -> None:
    """Raises a ValueError if the data set is not what the run was played on."""
    if exp.fingerprint() != before:
        raise ValueError(f"{folder} was played on other data (fingerprint {exp.fingerprint()}, before {before})")


def on_backbone(net: Classifier, backbone: dict[str, Any]) -> Classifier:
    """Returns a network's head on the backbone of another one."""
    swapped = deepcopy(net)
    head = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("head.")}
    swapped.load_state_dict({**backbone, **head})
    return swapped


def accuracy_of(exp: Experiment, net: Classifier) -> float:
    """Returns a network's accuracy on the first test set."""
    test, task = next(iter(exp.data.tests.values())), exp.task
    columns = {"kept": lambda seen: task.kept(seen.output.logits_BC, seen.y)}
    kept = exp.predictor(net, test, np.arange(len(test)), columns)["kept"]
    return task.metrics(kept, test.targets, exp.data.num_classes)["accuracy"]


def print_means(measured: pd.DataFrame) -> None:
    """Prints the mean over seeds by setting and number of labels, in percent."""
    groups = 100 * measured.set_index(BY)[["accuracy", "exchanged", "loss"]]
    for keys, own in groups.groupby(level=BY):
        *names, labelled = keys
        deviation = f" ± {own['loss'].std():.1f}" if len(own) > 1 else ""
        print(
            f"{', '.join(filter(None, map(str, names)))}  labels {labelled:>7,}  accuracy {own['accuracy'].mean():5.1f}"
            f"  exchanged {own['exchanged'].mean():5.1f}  loss {own['loss'].mean():5.1f}{deviation}  n={len(own)}"
        )


if __name__ == "__main__":
    sys.exit(main())
