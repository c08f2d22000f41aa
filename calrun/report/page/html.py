"""One self-contained page: tables, interactive curves, class histograms, differences, environments; no network.

Tables are in the HTML itself; script and style only add sorting, filtering and drawing to them.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, of_line, styles_of
from calrun.report.draw.style import Style
from calrun.report.measure.balance import class_histograms
from calrun.report.measure.calibration import by_calibration
from calrun.report.measure.curves import accuracy_by_budget, floor_of_curves
from calrun.report.measure.significance import band_said, bands
from calrun.report.page.naming import changes, short_value
from calrun.report.read.runs import Runs
from calrun.report.table.plain import printable
from calrun.report.table.sensitivity import Grid
from calrun.report.table.tables import ENERGY, Cell, Table, ratio_text, tidy

POINT = ["labelled", "accuracy", "cumulative_fit_seconds", "cumulative_steps", "cumulative_samples_backward"]
Form = str | Callable[[float], str]  # how a number is printed


@dataclass(frozen=True)
class Part:
    """What a report says about one panel.

    Args:
        headline: its answer in a sentence.
        tables: the comparison first.
        num_printed: how many of the tables are also printed on the terminal.
        grids: the grids over hyper-parameters; their tables are among `tables`.
    """

    panel: Panel
    headline: str
    tables: list[Table]
    num_printed: int = 1
    grids: list[Grid] = field(default_factory=list)


def page(
    runs: Runs, parts: Sequence[Part], baseline: str = "al", remarks: Sequence[str] = (), across: Sequence[Table] = ()
) -> str:
    """Returns the page.

    Args:
        runs: what was read.
        parts: what is said about each panel.
        baseline: the method that the others are measured against.
        remarks: what a reader must know about the whole report.
        across: tables over several panels.
    """
    drawn = {f"curves-{number}": curves(part.panel) for number, part in enumerate(parts)}
    calibrations = [by_calibration(part.panel) for part in parts]
    drawn |= {
        f"{column}-{number}": curves(panel) | {"floor": None, "full": [], "measure": measure.name, "unit": measure.unit}
        for number, found in enumerate(calibrations)
        for column, (measure, panel) in found.items()
    }
    names = class_names_of(runs)
    drawn |= {f"classes-{number}": histograms(part.panel, names) for number, part in enumerate(parts)}
    environment = Environment(
        loader=PackageLoader("calrun.report.page", ""), autoescape=select_autoescape(["html", "j2"]), trim_blocks=True
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template("page.html.j2").render(
        title=title_of(runs),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        parts=parts,
        calibrations=calibrations,
        remarks=remarks,
        across=across,
        numbers=numbers_table(runs, baseline),
        run_list=run_table(runs),
        differences=difference_table(runs),
        environments=environments(runs.attempts),
        problems=runs.problems,
        counts=f"{len(runs.folders)} runs, {len(runs.table) + len(runs.full)} rounds",
        drawn=script_json(drawn),
        numeric=numeric,
        style=resource("page.css"),
        curves=resource("curves.js"),
        script=resource("page.js"),
    )


def curves(panel: Panel) -> dict[str, Any]:
    """Returns what the script draws: each line's style, the interval of its mean and each run's points."""
    bounds, styles = bands(panel.runs), styles_of(panel.runs, panel.rows)
    summary = accuracy_by_budget(panel.runs)
    lines = []
    for line, own in lines_of(panel.runs, panel.rows):
        members = [
            {"run": run_id, "seed": int(run["seed"].iloc[0]), "points": run.sort_values("labelled")[POINT].to_numpy()}
            for run_id, run in own.groupby("run_id")
        ]
        band = of_line(bounds, line)[["labelled", "lower", "upper"]].to_numpy()
        lines.append(drawn_style(line, panel.rows, styles[line]) | {"runs": members, "band": band})
    full = [{"label": name, **{key: own[key] for key in ("mean", "std", "n")}} for name, own in panel.full_training()]
    floor = floor_of_curves(summary, panel.runs)
    return {"lines": lines, "band": band_said(summary["n"]), "floor": floor, "full": full}


def histograms(panel: Panel, class_names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Returns mean labels by class for each line and budget; `class_names` by context, if runs recorded them."""
    frame, styles = class_histograms(panel.runs), styles_of(panel.runs, panel.rows)
    lines = []
    for line, own in lines_of(frame, panel.rows):
        by_budget = [
            {"labelled": rows["labelled"].iloc[0], "n": rows["n"].iloc[0], "labels": rows["labels"].to_numpy()}
            for _, rows in own.groupby("labelled")
        ]
        names = list(class_names.get(line.context, ()))
        lines.append(drawn_style(line, panel.rows, styles[line]) | {"budgets": by_budget, "names": names})
    return {"lines": lines}


def class_names_of(runs: Runs) -> dict[str, Sequence[str]]:
    """Returns the names of the classes by context, if its runs recorded them."""
    contexts = dict(zip(runs.table["run_id"], runs.table["context"], strict=True))
    named = {run_id: own.class_names for run_id, own in runs.configurations.items() if own.class_names}
    return {context: named[run_id] for run_id, context in contexts.items() if run_id in named}


def title_of(runs: Runs) -> str:
    return ", ".join(sorted({own.experiment for own in runs.configurations.values()} - {""})) or "calrun"


def drawn_style(line: Line, rows: str, style: Style) -> dict[str, Any]:
    return {
        "label": label_of(line, rows),
        "colour": style.colour,
        "ink": style.ink,
        "dash": " ".join(map(str, style.dash)),
    }


def script_json(drawn: dict[str, Any]) -> str:
    """Returns JSON that may stand inside a script element: no NaN, no closing tag."""
    return json.dumps(plain(drawn), separators=(",", ":")).replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """Returns `value` with arrays as lists, numbers to six digits, and `None` for those that are not finite."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def numbers_table(runs: Runs, baseline: str) -> Table:
    """Returns every line and budget with mean, deviation, n and ratios, for sorting and filtering."""
    frame = tidy(runs.table, baseline)
    names = ["context", "acquisition", "method", "variant"]
    two_decimals = partial(ratio_text, digits=2)
    shown: dict[str, tuple[str, Form]] = {
        "labelled": ("labels", "{:,.0f}"),
        "accuracy_mean": ("accuracy in %", "{:.2f}"),
        "accuracy_std": ("std", "{:.2f}"),
        "n": ("n", "{:.0f}"),
        "time_ratio": ("fit time ×", two_decimals),
        "steps_ratio": ("steps ×", two_decimals),
        "samples_ratio": ("samples ×", two_decimals),
        "energy_ratio": ("energy ×", two_decimals),
        "energy_kwh_mean": ("energy in Wh", "{:,.4g}"),
        "relative_accuracy": ("relative accuracy", "{:.4f}"),
    }
    frame["energy_kwh_mean"] *= 1000
    shown = {key: column for key, column in shown.items() if frame[key].notna().any() or "energy" not in key}
    rows = [
        [Cell(str(row[name])) for name in names] + [cell(row[key], form) for key, (_, form) in shown.items()]
        for row in frame.to_dict("records")
    ]
    heads = [*names, *(head for head, _ in shown.values())]
    return without_constants(Table("All numbers", "all-numbers", [("", len(heads))], heads, rows), names)


def run_table(runs: Runs) -> Table:
    """Returns a row per run with where it ended."""
    every = pd.concat([runs.table, runs.full]) if len(runs.full) else runs.table
    last = every.drop_duplicates("run_id", keep="last")  # rounds are in order, runs in that of their folders
    last = last.assign(watt_hours=1000 * last[ENERGY], percent=100 * last["accuracy"])
    names = ["run_id", "experiment", "dataset", "model", "method", "variant", "acquisition"]
    shown = {
        "seed": "{:.0f}",
        "round": "{:.0f}",
        "labelled": "{:,.0f}",
        "percent": "{:.2f}",
        "cumulative_fit_seconds": "{:,.1f}",
    }
    heads = [*names, "seed", "rounds", "labels", "accuracy in %", "fit seconds"]
    if last["watt_hours"].notna().any():
        shown["watt_hours"] = "{:,.4g}"
        heads.append("energy in Wh")
    rows = [
        [Cell(str(row[name])) for name in names]
        + [cell(row[key], form) for key, form in shown.items()]
        + [Cell(str(row["device"])), Cell(printable(runs.folders[row["run_id"]].name))]
        for row in last.to_dict("records")
    ]
    heads += ["device", "folder"]
    return without_constants(Table("Runs", "runs", [("", len(heads))], heads, rows), [*names, "device"])


def difference_table(runs: Runs) -> Table:
    """Returns the configuration keys in which the settings differ, a row per setting, with its number of runs."""
    members: dict[str, list[str]] = defaultdict(list)
    for run_id, configuration in runs.configurations.items():
        members[configuration.setting].append(run_id)
    firsts = [runs.configurations[ids[0]] for ids in members.values()]
    leaves = [{key: value for key, value in own.leaves.items() if not key.startswith("choices.")} for own in firsts]
    found = changes(leaves)
    rows = [
        [Cell(own.name), Cell(str(len(ids)), len(ids))] + [Cell(short_value(values.get(key, "–"))) for key in found]
        for own, ids, values in zip(firsts, members.values(), leaves, strict=True)
    ]
    heads = ["setting", "runs", *map(printable, found)]
    notes = [f"{printable(key)}: also {', '.join(map(printable, copies))}." for key, copies in found.items() if copies]
    return Table("Differences", "differences", [("", len(heads))], heads, rows, notes)


def numeric(table: Table) -> list[bool]:
    """Tells for each column whether it holds numbers, which are aligned to the right."""
    return [any(not math.isnan(row[column].value) for row in table.rows) for column in range(len(table.columns))]


def without_constants(table: Table, names: Sequence[str]) -> Table:
    """Returns the table without the columns among `names` that are the same in every row; a note gives their values."""
    constant = [
        place
        for place, column in enumerate(table.columns)
        if column in names and len({row[place].text for row in table.rows}) == 1 < len(table.rows)
    ]
    said = [f"{table.columns[place]} {table.rows[0][place].text}" for place in constant if table.rows[0][place].text]
    kept = [place for place in range(len(table.columns)) if place not in constant]
    return replace(
        table,
        groups=[("", len(kept))],
        columns=[table.columns[place] for place in kept],
        rows=[[row[place] for place in kept] for row in table.rows],
        notes=[*table.notes, *([f"The same in every row: {'; '.join(said)}."] if said else [])],
    )


def cell(value: float, form: Form) -> Cell:
    if pd.isna(value):
        return Cell("–")
    return Cell(form(value) if callable(form) else form.format(value), float(value))


def environments(by_run: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the distinct environments of all attempts, with the commands and the number of runs of each."""
    groups: dict[str, dict[str, Any]] = {}
    for run_id, attempts in by_run.items():
        for attempt in attempts:
            same = {key: value for key, value in attempt.items() if key not in ("time", "command", "slurm")}
            group = groups.setdefault(
                json.dumps(same, sort_keys=True), {"facts": list(facts(same)), "runs": set(), "commands": {}}
            )
            group["runs"].add(run_id)
            command = attempt.get("command", "")
            words = map(str, command) if isinstance(command, list) else [str(command)]
            group["commands"][printable(" ".join(words))] = None
    return list(groups.values())


def facts(environment: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in environment.items():
        if isinstance(value, dict):
            yield from ((printable(f"{key} {name}"), printable(str(item))) for name, item in value.items())
        else:
            yield printable(key), printable(str(value))


def resource(name: str) -> str:
    return files("calrun.report.page").joinpath(name).read_text(encoding="utf-8")
