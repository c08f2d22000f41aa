"""`calrun best`: the winner of each search below a folder, and what each method's search has cost."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calrun.folder.status import RunStatus
from calrun.report.page.naming import short_names, short_value
from calrun.report.table.plain import encoding_of, say, shown
from calrun.search.grid import Candidate, Search, searches
from calrun.search.hparams_file import chosen_with, refuse_place, write_hparams
from calrun.search.runs import listed, metric_name, read_runs
from calrun.slurm.state import QUEUED
from calrun.sweep.overview import overview

PERCENT = ("accuracy", "balanced_accuracy")  # metrics that are shown in %


def best(folders: Sequence[Path], metric: str, method: str | None, out: Path | None, partial: bool) -> None:
    """Prints every search below some folders, best first, and writes the winner if a file is named.

    Raises:
        ValueError: if there is nothing that can be compared, or the file cannot be written.
    """
    name = metric_name(metric)
    if out is not None:
        refuse_place(out)
    where = ", ".join(map(str, folders))
    runs = sorted({place: run for folder in folders for place, run in overview(folder.resolve()).items()}.items())
    statuses = {place: status for place, status in runs if _is_of(status.name, method)}
    finished = [place for place, status in statuses.items() if status.state == "finished"]
    left = [status for status in statuses.values() if status.state != "finished"]
    _refuse_unfinished(where, finished, left, partial)
    found = searches(read_runs(finished, name), name, partial)
    if out is not None and len(found) > 1:
        raise ValueError(f"--out wants one search, but {where} holds {_names(found)}; give its folder, or --method")
    console = Console(highlight=False, soft_wrap=True)
    if out is not None:
        write_hparams(found[0], out, _value(found[0], found[0].best) + _unit(found[0], " %"))
    for search in found:
        show_search(console, search)
    for status in left:
        say(console, f"left out: {status.name} is {status.state}")
    show_budgets(console, found)
    if out is not None:
        say(console, f"written: {out}; calrun run --config-dir {out.parent.parent} {chosen_with(found[0], out)} ...")


def show_search(console: Console, search: Search) -> None:
    """Prints the candidates of a search, best first, and what must be known of the winner."""
    seeds = f"seed{'s' if len(search.seeds) > 1 else ''} {', '.join(map(str, search.seeds))}"
    say(console, f"{search.name}; {search.metric} on the validation split at {search.labelled} labels, {seeds}")
    headers = [*short_names(search.keys), f"{search.metric}{_unit(search, ' in %')}", "gradient samples a run", "runs"]
    rows = [
        [*map(short_value, one.values.values()), _value(search, one), _count(one.samples), str(len(one.runs))]
        for one in search.candidates
    ]
    print_table(console, headers, rows)
    say(console, f"best: {search.best.name}")
    equal = [one for one in search.candidates[1:] if one.mean == search.best.mean]
    if equal:
        say(console, f"as good: {listed([one.name for one in equal])}; the first by its values is taken")
    for edge in search.edges():
        say(console, f"edge of the grid: {edge}")
    say(console, "")


def show_budgets(console: Console, found: Sequence[Search]) -> None:
    """Prints how much was searched for each method on each data set, and says if the methods had different budgets.

    All finished runs count, also those whose seeds are not compared.
    """
    panels: dict[tuple[str, str, str, str], dict[str, list[Search]]] = defaultdict(lambda: defaultdict(list))
    for search in found:
        dataset, model, method, acquisition = search.choices
        panels[dataset, model, acquisition, search.data][method].append(search)
    names = Counter(", ".join(panel[:-1]) for panel in panels)
    for panel, methods in panels.items():
        rows, budgets = [], set()
        for method, own in methods.items():
            num_candidates = sum(len(search.candidates) for search in own)
            runs = [run for search in own for run in search.played]
            budgets.add((num_candidates, len(runs)))
            rows.append([method, str(num_candidates), str(len(runs)), _count(sum(run.samples for run in runs))])
        name = ", ".join(panel[:-1])
        titles = dict.fromkeys(search.title for own in methods.values() for search in own)
        which = f" (the data of {', '.join(titles)})" if names[name] > 1 else ""
        say(console, f"what was searched on {name}{which}")
        print_table(console, ["method", "configurations", "runs", "gradient samples"], rows)
        if len(budgets) > 1:
            say(console, "the methods had different budgets: one that was searched more has an advantage")


def print_table(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows below their headers, never cut."""
    table, encoding = Table(box=None, pad_edge=False), encoding_of(console)
    for header in headers:
        table.add_column(shown(header, encoding), no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*(Text(shown(cell, encoding)) for cell in row))
    widest = Console(width=1000).measure(table).maximum
    Console(width=max(widest, console.width), highlight=False, soft_wrap=True).print(table)


def _is_of(name: str, method: str | None) -> bool:
    """Tells whether a run is of a method, by the name of its folder: it may have nothing else yet."""
    return method is None or name.split("-")[2:3] == [method]


def _refuse_unfinished(where: str, finished: Sequence[Path], left: Sequence[RunStatus], partial: bool) -> None:
    if not finished and not left:
        raise ValueError(f"{where} holds no run of that method; calrun status lists what there is")
    if not finished or (left and not partial):
        waits, missing = (sum((one.state in ("running", *QUEUED)) is yes for one in left) for yes in (True, False))
        todo = ["wait for what is running or queued"] * bool(waits)
        todo += ["play what is missing (the same command)"] * bool(missing)
        raise ValueError(
            f"{where} is not finished: {listed([f'{status.name} is {status.state}' for status in left])}; "
            f"{' and '.join(todo)}" + (", or compare what is there with --partial" if finished else "")
        )


def _names(found: Sequence[Search]) -> str:
    return listed([search.name for search in found])


def _value(search: Search, one: Candidate) -> str:
    factor, digits = (100, 2) if search.metric in PERCENT else (1, 4)
    spread = "" if isnan(one.deviation) else f" ± {factor * one.deviation:.{digits}f}"
    return f"{factor * one.mean:.{digits}f}{spread}"


def _unit(search: Search, percent: str) -> str:
    return percent if search.metric in PERCENT else ""


def _count(samples: float) -> str:
    return "unknown" if isnan(samples) else f"{samples:,.0f}"
