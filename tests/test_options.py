"""Every option says in one sentence what it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.places import CONF, options

FILES = sorted(path for path in CONF.rglob("*.yaml") if path.parent != CONF)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_an_options_file_begins_with_what_it_is(path: Path) -> None:
    lines = path.read_text().splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert first[2].isupper() or first[2].isdigit()
    assert not first.startswith("# @")


def test_no_two_options_of_a_group_are_described_alike(calrun: Callable[..., Any]) -> None:
    for group in options(None, None):
        if group == "hparams":  # one paper's values, method after method
            continue
        said = [line.split("  ", 2)[-1].strip() for line in calrun("list", group).out.splitlines() if line.strip()]
        assert len(said) == len(set(said)), group
