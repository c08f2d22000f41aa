"""The arena's tables: the ranking of each budget, the answers on each data set, who is not played, who failed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calrun.arena.arena import Outcome
from calrun.arena.cells import mean_by_set
from calrun.arena.compare import ANSWERS, BETTER, counts, versus, whole
from calrun.arena.effects import effects
from calrun.arena.entrants import BASELINES
from calrun.arena.ranks import Ranks, ranked
from calrun.arena.settings import HIGH, LOW, NUM_ROUNDS
from calrun.plan.table import seconds_text
from calrun.report.draw.style import style_of
from calrun.report.table.tables import MISSING, Cell, Table

RANDOM = BASELINES[0]
MOST_POINTS = 100
LABELS = {LOW: "1 to 5 for each class (10 to 50 where there are fewer than 10)", HIGH: "10 to 30 % of the pool"}


@dataclass(frozen=True)
class Standing:
    """What is known of one budget.

    Args:
        budget: its name.
        ranks: of the acquisitions that are complete and do not cheat.
        versus: comparisons with each baseline, see calrun/arena/compare.py.
        effects: of the mixed model.
        effects_said: why there are none.
    """

    budget: str
    ranks: Ranks
    versus: dict[str, pd.DataFrame]
    effects: pd.DataFrame
    effects_said: str


def standing(outcome: Outcome, budget: str) -> Standing:
    """Returns the standing of one budget."""
    own = outcome.cells[outcome.cells["budget"] == budget]
    honest = own[~own["acquisition"].isin(outcome.cheats)]
    is_whole = whole(honest, list(outcome.sets), outcome.wish.seeds)
    complete = [name for name in dict.fromkeys(honest["acquisition"]) if is_whole.get((budget, name), False)]
    ranks = ranked(mean_by_set(honest, complete))
    compared = {name: versus(honest, name, outcome.wish.detect) for name in BASELINES}
    found, said = effects(honest[honest["acquisition"].isin(complete)])
    return Standing(budget, ranks, compared, found, said)


def ranking_table(outcome: Outcome, now: Standing) -> Table:
    """Returns the ranking: a row an acquisition, the best first; then who is not ranked, then references."""
    own = outcome.cells[outcome.cells["budget"] == now.budget]
    failed = [each.acquisition for each in outcome.failures if each.budget == now.budget]
    rest = [name for name in dict.fromkeys((*own["acquisition"], *failed)) if name not in now.ranks.mean]
    names = [*now.ranks.mean.index, *sorted(rest, key=lambda name: (name in outcome.cheats, name))]
    blocks = [("", ["acquisition", "rank"])]
    blocks.append(("minus random, in points", ["mean", "on these sets", "could tell"]))
    blocks += [(f"than {name}, on sets", [*ANSWERS]) for name in BASELINES]
    blocks.append(("", ["labelling\nefficiency", "choosing", "cells"]))
    rows = [ranking_row(name, outcome, own, now) for name in names]
    sets, seeds, measure = len(outcome.sets), outcome.wish.seeds, outcome.wish.measure.replace("_", " ")
    title = f"{now.budget} budget: area under the curve of {measure}, {sets} data sets, {seeds} seeds"
    groups, heads = (
        [(name, len(columns)) for name, columns in blocks],
        [head for _, columns in blocks for head in columns],
    )
    return Table(title, f"ranking-{now.budget}", groups, heads, rows, ranking_notes(outcome, now))


def ranking_row(name: str, outcome: Outcome, own: pd.DataFrame, now: Standing) -> list[Cell]:
    """Returns the row of an acquisition."""
    cells = own[own["acquisition"] == name]
    failed = dict.fromkeys(
        each.name for each in outcome.failures if (each.acquisition, each.budget) == (name, now.budget)
    )
    label = style_of(name).label + (" (reads labels)" if name in outcome.cheats else "")
    label += f" (failed on {', '.join(failed)})" if failed else ""
    row = [Cell(label), number(now.ranks.mean.get(name), "{:.1f}"), *difference_cells(name, own, now)]
    for baseline in BASELINES:
        row += count_cells(counts(now.versus[baseline]), (now.budget, name))
    efficiency = 1.0 if name == RANDOM else float(cells["efficiency"].median())
    seconds = float(cells["select_seconds"].mean())
    row.append(Cell("below 1", efficiency) if efficiency == 0 else number(efficiency, "{:.2f}"))
    chosen = Cell(MISSING if np.isnan(seconds) else seconds_text(seconds), seconds)
    return [*row, chosen, Cell(f"{len(cells):,}", float(len(cells)))]


def count_cells(counted: pd.DataFrame, key: tuple[str, str]) -> list[Cell]:
    """Returns on how many sets there was each answer."""
    own = counted.to_dict("index").get(key)
    return [Cell(MISSING) if own is None else number(float(own[each]), "{:.0f}") for each in ANSWERS]


def difference_cells(name: str, own: pd.DataFrame, now: Standing) -> list[Cell]:
    """Returns the mean difference to random over sets, the mixed model's interval, and what could be told apart."""
    compared = now.versus[RANDOM]
    mine = compared[compared["acquisition"] == name]
    if mine.empty:
        base = own[own["acquisition"] == RANDOM].groupby("set")["value"].mean()
        mean = float((own[own["acquisition"] == name].groupby("set")["value"].mean() - base).mean())
        return [number(mean if name != RANDOM else None, "{:+.2f}"), Cell(MISSING), Cell(MISSING)]
    effect = now.effects[now.effects["acquisition"] == name]
    bounds = Cell(MISSING)
    if len(effect):
        low, high = effect[["low", "high"]].iloc[0]
        bounds = Cell(f"[{low:+.2f}, {high:+.2f}]", float(low))
    return [number(mine["difference"].mean(), "{:+.2f}"), bounds, reach_cell(mine["detectable"])]


def reach_cell(detectable: pd.Series) -> Cell:
    """Returns the smallest differences that could be told, over the sets."""
    least, most = float(detectable.min()), float(detectable.max())
    if np.isnan(most):
        return Cell(MISSING)
    return Cell(reach_text(least) if least == most else f"{reach_text(least)}–{reach_text(most)}", most)


def reach_text(points: float) -> str:
    """Returns a difference of accuracies, which is at most 100 points."""
    return f"{points:.2f}" if points <= MOST_POINTS else f"over {MOST_POINTS}"


def ranking_notes(outcome: Outcome, now: Standing) -> list[str]:
    """Returns what a reader must know of a ranking."""
    model = f"; {now.effects_said}." if now.effects_said else ", which says nothing of other data sets."
    notes = [
        f"Labels: {LABELS[now.budget]}, in {NUM_ROUNDS} rounds; each seed draws its own pool (3,000 rows at most).",
        f"rank: mean over data sets. {now.ranks.said()}.",
        "Paired t-tests over seeds on each set, Holm-corrected over the acquisitions of a set (5 %). same: a "
        f"difference of {outcome.wish.detect:g} points is excluded; open: nothing is known.",
        "could tell: the least true difference that these seeds find with 80 % power, on the best and the worst set.",
        f"on these sets: the mixed model's 95 % interval{model}",
        "labelling efficiency: labels of random at its best accuracy over those that reach it, median over cells.",
        "choosing: time of one core for all choices of a cell, the look at the columns included.",
    ]
    absent = [name for name in dict.fromkeys(outcome.cells["acquisition"]) if name not in now.ranks.mean]
    if missing := [style_of(name).label for name in absent if name not in outcome.cheats]:
        notes.append(f"Not ranked, for some of their cells are missing: {', '.join(missing)}.")
    if outcome.cheats:
        notes.append("Acquisitions that read labels nobody has bought are references, neither ranked nor tested.")
    return notes


def answer_table(outcome: Outcome, now: Standing, baseline: str) -> Table:
    """Returns each acquisition's difference to a baseline on each data set, with its interval and what n could find."""
    compared = now.versus[baseline].set_index(["acquisition", "set"])
    order = [name for name in now.ranks.mean.index if name != baseline]
    names = [*order, *sorted({*compared.index.get_level_values(0)} - {*order})]
    rows = []
    for name in names:
        row = [Cell(style_of(name).label)]
        for each in outcome.sets:
            key = (name, each)
            row += answer_cells(compared.loc[key]) if key in compared.index else [Cell(MISSING)] * 5
        rows.append(row)
    heads = ["acquisition"]
    for _ in outcome.sets:
        heads += ["difference [95 %]", "answer", "could tell", "n", "p (Holm)"]
    groups = [("", 1), *((name, 5) for name in outcome.sets)]
    title = f"{now.budget} budget: minus {baseline}, in points of the area"
    note = "Could tell: the smallest true difference that n seeds find with 80 % power at Holm's first step."
    return Table(title, f"answers-{now.budget}-{baseline}", groups, heads, rows, [note])


def answer_cells(row: pd.Series) -> list[Cell]:
    """Returns effect and interval before the answer, and p last."""
    interval = f"{row['difference']:+.2f}" + (
        "" if np.isnan(row["low"]) else f" [{row['low']:+.2f}, {row['high']:+.2f}]"
    )
    p = row["p_holm"]
    return [
        Cell(interval, float(row["difference"])),
        Cell(str(row["answer"]), bold=row["answer"] == BETTER),
        reach_cell(pd.Series([row["detectable"]])),
        number(row["n"], "{:.0f}"),
        Cell(MISSING if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}", float(p)),
    ]


def short_answers(outcome: Outcome, now: Standing, baseline: str) -> Table:
    """Returns the same for a terminal: one cell a data set."""
    compared = now.versus[baseline].set_index(["acquisition", "set"])
    known, rows = {*compared.index}, []
    for name in (name for name in now.ranks.mean.index if name != baseline):
        keys = [(name, each) for each in outcome.sets]
        texts = [short_answer(compared.loc[key]) if key in known else MISSING for key in keys]
        rows.append([Cell(style_of(name).label), *(Cell(text) for text in texts)])
    title = f"{now.budget} budget, minus {baseline} in points: mean, answer (the least difference that could be told)"
    groups, heads = [("", 1), *((name, 1) for name in outcome.sets)], ["acquisition", *[""] * len(outcome.sets)]
    return Table(title, "short", groups, heads, rows)


def short_answer(row: pd.Series) -> str:
    reach = row["detectable"]
    shown = "" if np.isnan(reach) else f" ({reach:.1f})" if reach <= MOST_POINTS else f" (over {MOST_POINTS})"
    return f"{row['difference']:+.1f} {row['answer']}{shown}"


def listed_table(outcome: Outcome) -> Table:
    """Returns who was not played, why, and what a choice would take."""
    rows = []
    for entrant in outcome.listed:
        takes = Cell(MISSING if np.isnan(entrant.seconds) else seconds_text(entrant.seconds), entrant.seconds)
        ask = "calrun run" if entrant.unfit else f"acquisition={entrant.name}"
        rows.append([Cell(style_of(entrant.name).label), Cell(entrant.unfit or entrant.dear), takes, Cell(ask)])
    heads = ["acquisition", "why", "a choice, at most", "played by"]
    return Table("Not played", "not-played", [("", 4)], heads, rows)


def number(value: float | None, form: str) -> Cell:
    """Returns the cell of a number."""
    if value is None or np.isnan(value):
        return Cell(MISSING)
    return Cell(form.format(value), float(value))
