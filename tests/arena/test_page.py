"""The page: one row an acquisition, effects before p, the diagram with its CD, and nothing from the network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calrun.arena.arena import Outcome, Wish
from calrun.arena.cells import COLUMNS, efficiencies
from calrun.arena.diagram import alike, diagram
from calrun.arena.entrants import entrants
from calrun.arena.page import page
from calrun.arena.sets import FeatureSet, digits
from calrun.arena.tables import answer_table, ranking_table, standing

NAMES = ("random", "margin", "entropy", "badge", "balanced_random")


@pytest.fixture
def outcome() -> Outcome:
    rng, rows = np.random.default_rng(0), []
    for name in ("digits", "other"):
        for seed in range(5):
            base = 60 + rng.normal()
            for number, acquisition in enumerate(NAMES):
                curve = tuple(base + 2 * number + 5 * step + 0.2 * rng.normal() for step in range(3))
                value = sum(curve) / 3
                rows.append(("low", name, acquisition, seed, value, curve[-1], 1.0, 0.1, (10, 20, 30), curve))
    cells = pd.DataFrame(rows, columns=COLUMNS)
    cells = cells.merge(efficiencies(cells), how="left", on=["budget", "set", "acquisition", "seed"])
    sets: dict[str, FeatureSet] = {"digits": digits(), "other": digits()}
    listed = [each for each in entrants(["core_gcn", "tidal"])]
    return Outcome(Wish(Path("bank"), seeds=5, budgets=("low",)), sets, cells, entrants(NAMES), listed, [], [])


def test_a_ranking_has_a_row_an_acquisition_and_references_last(outcome: Outcome) -> None:
    table = ranking_table(outcome, standing(outcome, "low"))
    assert [row[0].text for row in table.rows] == [
        "BADGE",
        "entropy",
        "margin",
        "random",
        "balanced random (reads labels)",
    ]
    assert [row[1].text for row in table.rows] == ["1.0", "2.0", "3.0", "4.0", "–"]
    assert len({len(row) for row in [*table.rows, table.columns]}) == 1
    assert sum(count for _, count in table.groups) == len(table.columns)


def test_effects_and_intervals_stand_before_p_and_every_answer_has_its_n_and_reach(outcome: Outcome) -> None:
    table = answer_table(outcome, standing(outcome, "low"), "random")
    assert table.columns[1:6] == ["difference [95 %]", "answer", "could tell", "n", "p (Holm)"]
    by_name = {row[0].text: row for row in table.rows}
    effect, answer, reach, n, _ = by_name["BADGE"][1:6]
    assert (answer.text, n.text) == ("better", "5")
    assert effect.value == pytest.approx(6, abs=0.5)
    assert 0 < reach.value < 5


def test_the_page_stands_alone(outcome: Outcome) -> None:
    text = page(outcome, [standing(outcome, "low")], ["picky failed on digits"])
    assert text.startswith("<!doctype html>")
    assert "http://www.w3.org" in text  # the namespace of the diagram
    assert all(word not in text for word in ('<link rel="stylesheet', "src=", "@import", "None", "nan"))
    for said in (
        "no two of them are told apart",
        "picky failed on digits",
        "64 pixels, as they are",
        "CoreGCN",
        "could tell",
    ):
        assert said in text


def test_the_diagram_states_its_critical_difference(outcome: Outcome) -> None:
    now = standing(outcome, "low")
    title = diagram(now).axes[0].get_title(loc="left")
    assert "CD = 3.32 of at most 3 ranks" in title
    assert "no two of them are told apart" in title


def test_bars_join_the_longest_runs_within_the_critical_difference() -> None:
    ranks = np.array([1.0, 2.0, 2.5, 4.0, 4.2])
    assert alike(ranks, 1.5) == [(0, 2), (2, 3), (3, 4)]
    assert alike(ranks, 1.7) == [(0, 2), (2, 4)]
    assert alike(ranks, 10.0) == [(0, 4)]
    assert alike(ranks, 0.1) == []


def test_the_diagram_draws_a_bar_only_where_something_is_told_apart(outcome: Outcome) -> None:
    nothing = standing(outcome, "low")
    names = len(nothing.ranks.mean)
    lines = len(diagram(nothing).axes[0].lines)
    assert lines == names + 1 + names + 1  # names, the axis, its ticks, the critical difference
    told = replace(nothing, ranks=replace(nothing.ranks, critical_difference=1.5, p=nothing.ranks.p * 0.0))
    assert len(diagram(told).axes[0].lines) > lines
