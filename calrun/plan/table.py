"""The table that `calrun plan` prints."""

import json

from rich.console import Console
from rich.table import Table

from calrun.acquisition.kernel.memory import GIB
from calrun.plan.plan import Plan, RoundPlan

HEADERS = (
    "round", "labelled", "pool", "steps x epochs", "fit FLOP", "fit time",
    "score rows", "score FLOP", "score time", "columns", "select FLOP", "select peak", "select time", "state",
)  # fmt: skip
WIDTH = 160  # characters that a line of the table may need


def show(plan: Plan, as_json: bool = False) -> None:
    """Prints a plan: one line per round, totals, rates, and what does not fit."""
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print_json(json.dumps(plan.as_json()))
        return
    table = Table(box=None, pad_edge=False)
    for header in HEADERS:
        table.add_column(header, justify="right", no_wrap=True, overflow="ignore")
    for each in plan.rounds:
        table.add_row(*round_cells(each))
    table.add_section()
    table.add_row(*total_cells(plan))
    wide = Console(highlight=False, width=max(console.width, WIDTH))
    wide.print(table)
    for line in remarks(plan):
        console.print(line, markup=False)


def round_cells(each: RoundPlan) -> list[str]:
    """Returns a round's cells in the order of the headers."""
    fit = each.fit
    cells = ["initial" if not each.number else str(each.number), f"{each.labelled:,}", f"{each.pool:,}"]
    fits = [(fit.steps_per_epoch, fit.epochs), (fit.proxy_steps_per_epoch, fit.proxy_epochs)]  # the proxy's last
    if steps := " + ".join(f"{steps:,} x {epochs}" for steps, epochs in fits if epochs):
        cells += [steps, f"{fit.flops:.1e}", seconds_text(fit.seconds)]
    else:
        cells += ["", "", ""]
    if each.score is None or each.select is None:
        return [*cells, "", "", "", "", "", "", "", size_text(each.state_bytes)]
    score, select = each.score, each.select
    cells += [
        f"{score.rows:,}",
        f"{score.flops:.1e}",
        seconds_text(score.seconds),
        size_text(sum(score.columns.values())),
    ]
    cells += [f"{select.flops:.1e}", size_text(select.bytes_peak), seconds_text(select.seconds)]
    return [*cells, size_text(each.state_bytes) if each.state_bytes else ""]


def total_cells(plan: Plan) -> list[str]:
    """Returns the cells of the last line: sums of work, the most memory, and what is kept on disk."""
    totals = plan.totals()
    texts = {kind: (f"{total['flops']:.1e}", seconds_text(total["seconds"])) for kind, total in totals.items()}
    peak = max((each.select.bytes_peak for each in plan.rounds if each.select is not None), default=0.0)
    select_flops, select_seconds = texts["select"]
    fit, score, select = texts["fit"], texts["score"], (select_flops, size_text(peak), select_seconds)
    return ["total", "", "", "", *fit, "", *score, "", *select, size_text(plan.disk_bytes)]


def remarks(plan: Plan) -> list[str]:
    """Returns the lines under the table."""
    rates = plan.rates
    lines = [""]
    largest = max(
        (each.score for each in plan.rounds if each.score), key=lambda s: sum(s.columns.values()), default=None
    )
    if largest is not None and largest.columns:
        columns = ", ".join(f"{name} {size_text(size)}" for name, size in largest.columns.items())
        lines.append(f"columns at their largest: {columns}")
    lines += [
        f"measured on {plan.device}: {rates.flops / 1e9:,.0f} GFLOP/s in products, "
        f"{rates.bytes_moved / 1e9:,.1f} GB/s, "
        f"{rates.functions / 1e9:.2g} G exponentials/s, {rates.calls / 1e3:,.0f} k small operations/s; "
        f"the network takes {plan.forward_flops:.2g} FLOP for a row and was timed on a batch",
        "fit counts all epochs that the stopping rules allow, but neither optimizer nor augmentation; selections that "
        "skip work by bounds depend on the rows and may take a few times as long",
    ]
    if plan.features is not None:
        passing = plan.features
        lines.append(
            f"features: {passing.rows:,} rows pass the backbone once, before round 1, {passing.flops:.1e} FLOP in "
            f"{seconds_text(passing.seconds)}, and take {size_text(passing.bytes)} on disk; later runs read them"
            if passing.rows
            else "features: all are there, no row passes the backbone"
        )
    lines += plan.cautions
    if plan.problems:
        return [*lines, *(f"does not fit: {problem}" for problem in plan.problems)]
    return [*lines, f"fits: at most {size_text(plan.needed_bytes)} of the {size_text(plan.free_bytes)} that are free"]


def seconds_text(seconds: float) -> str:
    """Returns a time in the unit that suits it."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:,.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def size_text(num_bytes: float) -> str:
    """Returns a size in the unit that suits it."""
    for unit, name in ((GIB, "GiB"), (2**20, "MiB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:,.1f} {name}"
    return f"{num_bytes / 1024:,.1f} KiB"
