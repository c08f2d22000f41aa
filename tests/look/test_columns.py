"""Columns of the user's own: as many entries as rows, finite, under one name, or refused."""

from collections.abc import Callable

import pytest

ACQUISITION = """
import torch

from calrun.acquisition.base import Acquisition
from calrun.look.columns import given, per_row


class Own(Acquisition):
    needs = frozenset({{"own"}})

    def columns(self):
        return {{{columns}}}

    def select(self, candidates, budget, rng):
        return candidates.rows[candidates.columns["own"].cpu().argsort(stable=True)[:budget].numpy()]
"""


@pytest.fixture
def with_columns(own: Callable[..., tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    """Returns the words of a run whose acquisition makes these columns."""
    return lambda columns: own(ACQUISITION.format(columns=columns), "acquisition", "_target_: own.Own\n")


def passed(made: str) -> str:
    return f"'own': per_row('own', lambda seen: {made}, lambda sizes: 1)"


def test_a_column_of_ones_own_is_filled(with_columns: Callable[..., tuple[str, ...]], calrun: Callable) -> None:
    assert calrun(*with_columns(passed("seen.output.logits_BC.amax(1)"))).code == 0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            passed("seen.output.logits_BC.amax(1)[:-1]"),
            "'own' wants a tensor with one entry for each of 128 rows, but ",
        ),
        (passed("seen.output.logits_BC.amax()"), "but came a tensor of shape ()"),
        (passed("seen.output.logits_BC.amax(1).numpy()"), "but came ndarray"),
        (passed("seen.output.logits_BC.amax(1) * torch.nan"), "own are not finite on 180 of 180 rows"),
        ("'own': given('own', lambda view: torch.zeros(3), split='candidates')", "for each of 180 rows, but came"),
        (
            "'own': given('own', lambda view: torch.full((len(view.rows),), torch.nan), split='candidates')",
            "'own' are not finite on 180 of 180 rows",
        ),
        ("'own': per_row('other', lambda seen: seen.x, lambda sizes: 1)", "a column 'other' under the name 'own'"),
        (
            passed("seen.x") + ", 'logits': per_row('logits', lambda seen: seen.x, lambda sizes: 1)",
            "makes a column 'logits', which calrun makes too",
        ),
    ],
)
def test_a_column_that_does_not_fit_its_rows_is_refused(
    columns: str, said: str, with_columns: Callable[..., tuple[str, ...]], refusal: Callable[..., str]
) -> None:
    assert said in refusal(*with_columns(columns))


def test_needs_that_are_text_are_refused(own: Callable[..., tuple[str, ...]], refusal: Callable[..., str]) -> None:
    source = ACQUISITION.format(columns="").replace('frozenset({"own"})', '"logits"')
    assert "write needs = frozenset({'logits'})" in refusal(*own(source, "acquisition", "_target_: own.Own\n"))
