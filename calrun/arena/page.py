"""The arena as one self-contained page: what can be said first, then rankings, diagrams and answers set by set."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import matplotlib as mpl
import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

from calrun.arena.arena import Outcome
from calrun.arena.compare import BETTER, WORSE
from calrun.arena.diagram import diagram
from calrun.arena.entrants import BASELINES
from calrun.arena.settings import Settings
from calrun.arena.tables import RANDOM, Standing, answer_table, listed_table, ranking_table
from calrun.report.draw.plots import PRINT
from calrun.report.draw.style import style_of
from calrun.report.page.html import numeric, resource
from calrun.report.table.tables import Cell, Table

HEAD = "The head is softmax regression, fitted to its optimum (L-BFGS)"
MASKS = "Monte-Carlo samples are masks on the features"


@dataclass(frozen=True)
class Part:
    """What the page says of one budget."""

    budget: str
    headline: str
    ranking: Table
    diagram: str
    answers: list[Table]


def page(outcome: Outcome, standings: Sequence[Standing], faults: Sequence[str]) -> str:
    """Returns the page.

    Args:
        outcome: what was played.
        standings: of each budget.
        faults: sentences on what failed or was left out.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("calrun.arena", ""), PackageLoader("calrun.report.page", "")]),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
    )
    return environment.get_template("arena.html.j2").render(
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        counts=f"{len(outcome.cells):,} cells, {outcome.cells['seconds'].sum() / 60:.1f} minutes of one core",
        parts=[part_of(outcome, now) for now in standings],
        sets=set_table(outcome),
        listed=listed_table(outcome) if outcome.listed else None,
        faults=faults,
        how=how(Settings()),
        numeric=numeric,
        style=resource("page.css"),
        script=resource("page.js"),
    )


def part_of(outcome: Outcome, now: Standing) -> Part:
    """Returns the part of one budget."""
    answers = [answer_table(outcome, now, baseline) for baseline in BASELINES]
    return Part(now.budget, headline(outcome, now), ranking_table(outcome, now), drawn(now), answers)


def headline(outcome: Outcome, now: Standing) -> str:
    """Returns what one budget says, in a few sentences: who beats random where, and what is not known."""
    answers = now.versus[RANDOM].pivot(index="acquisition", columns="set", values="answer")
    better, worse = (always(answers, answer, len(outcome.sets)) for answer in (BETTER, WORSE))
    untold = int((~answers.isin([BETTER, WORSE])).all(axis=1).sum())
    return (
        f"{now.budget.capitalize()} budget. Better than random on every set: {better}; worse on every set: {worse}; "
        f"not told from random on any set: {untold} of {len(answers)}. {now.ranks.said()}."
    )


def always(answers: pd.DataFrame, answer: str, number: int) -> str:
    """Returns the acquisitions that have this answer on all sets."""
    names = answers.index[(answers == answer).sum(axis=1) == number]
    return ", ".join(style_of(str(name)).label for name in names) or "none"


def drawn(now: Standing) -> str:
    """Returns the diagram as SVG that may stand in a page."""
    text = io.StringIO()
    with mpl.rc_context(PRINT):
        diagram(now).savefig(text, format="svg", metadata={"Date": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def set_table(outcome: Outcome) -> Table:
    """Returns the data sets, how their features were made, and what random reaches on them."""
    rows = []
    random = outcome.cells[outcome.cells["acquisition"] == RANDOM].groupby("set")["last"].max()
    for name, data in outcome.sets.items():
        counts = (len(data.features_ND), len(data.test_MD), data.features_ND.shape[1], data.num_classes)
        best = float(random.get(name, float("nan")))
        numbers = [Cell(f"{count:,}", float(count)) for count in counts]
        rows.append([Cell(name), *numbers, Cell(f"{best:.1f}", best), Cell(data.recipe)])
    heads = ["data set", "rows", "test rows", "features", "classes", "random's best in %", "features are"]
    return Table("Data sets", "sets", [("", len(heads))], heads, rows)


def how(settings: Settings) -> list[str]:
    """Returns how a cell is played, in sentences."""
    return [
        f"{HEAD} of cross-entropy summed over labels, plus {settings.l2:g} / 2 times the squared weights.",
        f"{MASKS} that drop {settings.dropout:.0%}, shared by all rows. Columns, seeds and acquisitions are a run's.",
        "All acquisitions of a seed begin with the same pool and the same rows; test rows are the same for all seeds.",
        "A number is the mean height of the curve over labels (linear scale). Pairs share data set, budget and seed.",
    ]
