"""What a `_target_` says of itself is read without importing it."""

import sys
from pathlib import Path

import pytest

from calrun.check.target import about, arguments, first_sentence, source_file

MINE = '''
"""Nobody imports this."""
raise SystemExit("imported")

class Made:
    """Makes nothing (Ash et al. 2020, App. A.3),
    twice. Really.
    """
    def __init__(self, width: int, *, depth: int = 3) -> None: ...

class Inherits(Made):
    pass

def anything(**values): ...
'''


def test_a_class_is_read_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nowhere_else").mkdir()
    (tmp_path / "nowhere_else" / "unimported.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert about("nowhere_else.unimported.Made") == "Makes nothing (Ash et al. 2020, App. A.3), twice"
    assert arguments("nowhere_else.unimported.Made") == ["width", "depth"]
    assert arguments("nowhere_else.unimported.Inherits") is None
    assert arguments("nowhere_else.unimported.anything") is None
    assert arguments("nowhere_else.unimported.Nothing") is None
    assert "nowhere_else.unimported" not in sys.modules


def test_what_has_no_source_says_nothing() -> None:
    assert (about("math.sqrt"), arguments("nowhere.at.All"), source_file("builtins")) == ("", None, None)
    assert (about("None"), arguments("")) == ("", None)


def test_a_dataclass_takes_its_fields() -> None:
    assert arguments("calrun.method.fit.optimizer.OptimizerFactory") == [
        "optimizer",
        "lr",
        "scales_lr",
        "schedule",
        "head_lr",
        "schedule_every",
    ]
    assert arguments("calrun.logger.base.Logger") == []


def test_a_sentence_ends_where_the_next_begins() -> None:
    assert first_sentence("One, as Sec. 3 says.\nTwo.") == "One, as Sec. 3 says"
    assert first_sentence("Without an end") == "Without an end"
