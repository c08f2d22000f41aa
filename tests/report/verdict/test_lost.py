"""Recipes without a verdict say why."""

import re

import pytest

from calrun.places import CONF, options
from calrun.report.verdict.lost import PICTURES, without_numbers
from calrun.report.verdict.printed import paper_table

RECIPES = [name for name in options("experiment")["experiment"] if name.startswith(("emam/", "wen/"))]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_numbers_or_its_header_says_that_there_are_none(name: str) -> None:
    head = (CONF / "experiment" / f"{name}.yaml").read_text().partition("\ndefaults:")[0].replace("\n# ", " ")
    if paper_table(name) is not None:
        assert re.search(r"Paper[^:]*:.*\d", head)
    else:
        assert re.search("figures?|lost", head.partition("Paper:")[2].partition("Ours:")[0])
        assert ("picture" in without_numbers(name)) == ("lost" in head) == (name in PICTURES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_header_says_what_differs_what_it_costs_and_whether_it_was_run(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    assert (
        all(f"\n# {word}: " in text for word in ("Paper", "Ours", "Cost", "FILE", "Command")) or "Paper, in %" in text
    )
    assert re.search(r"seeds|Seeds", text)
