"""One self-contained page: tables, interactive curves, class histograms, differences, environments; no network.

Tables stand in the HTML itself; script and style only add sorting, filtering and drawing to them.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from calrun.report.balance import class_histograms
from calrun.report.configuration import is_setting
from calrun.report.naming import differing_keys
from calrun.report.panels import Line, Panel, label_of, lines_of, looks_of, of_line
from calrun.report.runs import Runs
from calrun.report.significance import bands
from calrun.report.style import Look, option_name
from calrun.report.tables import ENERGY, Cell, Table, tidy

NAMED_BY = ("dataset", "model", "method", "acquisition")
POINT = ["labelled", "accuracy", "cumulative_fit_seconds", "cumulative_steps", "cumulative_samples_backward"]


def page(runs: Runs, panels: Sequence[Panel], tables: Sequence[Sequence[Table]], baseline: str = "al") -> str:
    """Returns the page; `tables` holds the tables of each panel, in the order of `panels`."""
    drawn = {f"curves-{number}": curves(panel) for number, panel in enumerate(panels)}
    drawn |= {f"classes-{number}": histograms(panel) for number, panel in enumerate(panels)}
    environment = Environment(
        loader=PackageLoader("calrun.report", ""), autoescape=select_autoescape(["html", "j2"]), trim_blocks=True
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template("page.html.j2").render(
        title=", ".join(sorted({run.experiment for run in runs.configurations.values()} - {""})) or "calrun",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        panels=list(zip(panels, tables, strict=True)),
        numbers=numbers_table(runs, baseline),
        run_list=run_table(runs),
        differences=difference_table(runs),
        environments=environments(runs.environments),
        problems=runs.problems,
        counts=f"{len(runs.folders)} runs, {len(runs.table)} rounds",
        drawn=script_json(drawn),
        numeric=numeric,
        style=resource("page.css"),
        curves=resource("curves.js"),
        script=resource("page.js"),
    )


def curves(panel: Panel) -> dict[str, Any]:
    """Returns what the script draws: each line's look, its bootstrap band and each run's points."""
    bounds, looks = bands(panel.runs), looks_of(panel.runs, panel.rows)
    lines = []
    for line, own in lines_of(panel.runs, panel.rows):
        members = [
            {"run": run_id, "seed": int(run["seed"].iloc[0]), "points": run.sort_values("labelled")[POINT].to_numpy()}
            for run_id, run in own.groupby("run_id")
        ]
        band = of_line(bounds, line)[["labelled", "lower", "upper"]].to_numpy()
        lines.append(drawn_look(line, panel.rows, looks[line]) | {"runs": members, "band": band})
    return {"lines": lines}


def histograms(panel: Panel) -> dict[str, Any]:
    """Returns mean labels by class for each line and budget."""
    frame, looks = class_histograms(panel.runs), looks_of(panel.runs, panel.rows)
    lines = []
    for line, own in lines_of(frame, panel.rows):
        by_budget = [
            {"labelled": rows["labelled"].iloc[0], "n": rows["n"].iloc[0], "labels": rows["labels"].to_numpy()}
            for _, rows in own.groupby("labelled")
        ]
        lines.append(drawn_look(line, panel.rows, looks[line]) | {"budgets": by_budget})
    return {"lines": lines}


def drawn_look(line: Line, rows: str, look: Look) -> dict[str, Any]:
    return {
        "label": label_of(line, rows),
        "colour": look.colour,
        "ink": look.ink,
        "dash": " ".join(map(str, look.dash)),
    }


def script_json(drawn: dict[str, Any]) -> str:
    """Returns JSON that may stand inside a script element: no NaN, no closing tag."""
    return json.dumps(plain(drawn), separators=(",", ":")).replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """Returns `value` with arrays as lists, six digits, and None for what is no finite number."""
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
    shown = {
        "labelled": ("labels", "{:,.0f}"),
        "accuracy_mean": ("accuracy in %", "{:.2f}"),
        "accuracy_std": ("std", "{:.2f}"),
        "n": ("n", "{:.0f}"),
        "time_ratio": ("fit time ×", "{:.2f}"),
        "steps_ratio": ("steps ×", "{:.2f}"),
        "samples_ratio": ("samples ×", "{:.2f}"),
        "energy_ratio": ("energy ×", "{:.2f}"),
        "energy_kwh_mean": ("energy in Wh", "{:,.4g}"),
        "relative_accuracy": ("relative accuracy", "{:.4f}"),
    }
    frame[["accuracy_mean", "accuracy_std"]] *= 100
    frame["energy_kwh_mean"] *= 1000
    shown = {key: column for key, column in shown.items() if frame[key].notna().any() or "energy" not in key}
    rows = [
        [Cell(option_name(str(row[name]))) for name in names]
        + [cell(row[key], form) for key, (_, form) in shown.items()]
        for row in frame.to_dict("records")
    ]
    heads = [*names, *(head for head, _ in shown.values())]
    return without_constants(Table("All numbers", "all-numbers", [("", len(heads))], heads, rows), names)


def run_table(runs: Runs) -> Table:
    """Returns a row per run with where it ended."""
    last = runs.table.drop_duplicates("run_id", keep="last")  # rounds stand in their order, runs in their folders'
    last = last.assign(watt_hours=1000 * last[ENERGY])
    names = ["run_id", "experiment", "dataset", "model", "method", "variant", "acquisition"]
    shown = {
        "seed": "{:.0f}",
        "round": "{:.0f}",
        "labelled": "{:,.0f}",
        "accuracy": "{:.4f}",
        "cumulative_fit_seconds": "{:,.1f}",
    }
    heads = [*names, "seed", "rounds", "labels", "accuracy", "fit seconds"]
    if last["watt_hours"].notna().any():
        shown["watt_hours"] = "{:,.4g}"
        heads.append("energy in Wh")
    rows = [
        [Cell(option_name(str(row[name]))) for name in names]
        + [cell(row[key], form) for key, form in shown.items()]
        + [Cell(str(row["device"])), Cell(str(runs.folders[row["run_id"]].name))]
        for row in last.to_dict("records")
    ]
    heads += ["device", "folder"]
    return without_constants(Table("Runs", "runs", [("", len(heads))], heads, rows), [*names, "device"])


def difference_table(runs: Runs) -> Table:
    """Returns the configuration keys in which the settings differ, a row per setting, with how many runs it has."""
    members: dict[str, list[str]] = defaultdict(list)
    for run_id, configuration in runs.configurations.items():
        members[configuration.setting].append(run_id)
    firsts = [runs.configurations[ids[0]] for ids in members.values()]
    leaves = [
        {key: value for key, value in own.leaves.items() if is_setting(key) and not key.startswith("choices.")}
        for own in firsts
    ]
    keys = differing_keys(leaves)
    rows = [
        [Cell(", ".join(option_name(own.choices[name]) for name in NAMED_BY)), Cell(str(len(ids)), len(ids))]
        + [Cell(str(values.get(key, "–"))) for key in keys]
        for own, ids, values in zip(firsts, members.values(), leaves, strict=True)
    ]
    return Table("Differences", "differences", [("", len(keys) + 2)], ["setting", "runs", *keys], rows)


def numeric(table: Table) -> list[bool]:
    """Says of each column whether it holds numbers, which stand at its right edge."""
    return [any(not math.isnan(row[column].value) for row in table.rows) for column in range(len(table.columns))]


def without_constants(table: Table, names: Sequence[str]) -> Table:
    """Returns the table without those of its columns `names` that are the same in every row, and a note of them."""
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


def cell(value: float, form: str) -> Cell:
    return Cell("–") if pd.isna(value) else Cell(form.format(value), float(value))


def environments(by_run: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the distinct environments with the commands and the number of runs of each."""
    groups: dict[str, dict[str, Any]] = {}
    for environment in by_run.values():
        same = {key: value for key, value in environment.items() if key not in ("time", "command", "slurm")}
        group = groups.setdefault(
            json.dumps(same, sort_keys=True), {"facts": list(facts(same)), "runs": 0, "commands": {}}
        )
        group["runs"] += 1
        command = environment.get("command", "")
        group["commands"][command if isinstance(command, str) else " ".join(command)] = None
    return list(groups.values())


def facts(environment: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in environment.items():
        if isinstance(value, dict):
            yield from ((f"{key} {name}", str(item)) for name, item in value.items())
        else:
            yield key, str(value)


def resource(name: str) -> str:
    return files("calrun.report").joinpath(name).read_text(encoding="utf-8")
