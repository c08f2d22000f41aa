"""The list of breaks that the tests must notice, and what applies them (scripts/mutate.py)."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import mutate

    return mutate


def is_there(test: str) -> bool:
    """Tells whether a test file, or a test in it, exists."""
    file, _, name = test.partition("::")
    return (ROOT / file).is_file() and f"def {name}" in (ROOT / file).read_text(encoding="utf-8")


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function returns in a new process: a fork of one in which libraries have threads may hang."""
    import measured

    return measured.alone(function, *arguments)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package whose tests look at one of its two functions."""
    files = {
        "toy/__init__.py": "",
        "toy/sums.py": "def more(x):\n    return x + 1\n\ndef less(x):\n    return x - 1\n",
        "tests/test_sums.py": "from toy.sums import more\ndef test():\n    assert more(1) == 2\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_listed_break_still_fits_the_code(mutate: ModuleType) -> None:
    mutations = mutate.read_mutations()
    for mutation in mutations:
        assert mutation.applied(ROOT)
        assert mutation.old != mutation.new
        assert [test for test in mutation.tests if not is_there(test)] == []
    assert len(mutations) >= 66


@pytest.mark.slow
@pytest.mark.parametrize(("old", "survives"), [("x + 1", False), ("x - 1", True)])
def test_a_break_survives_that_no_test_looks_at(old: str, survives: bool, mutate: ModuleType, project: Path) -> None:
    before = (project / "toy" / "sums.py").read_text()
    mutation = mutate.Mutation(1, "sums", "toy/sums.py", old, "x", ("tests/test_sums.py",))
    assert alone(mutate.survives, project, mutation) is survives
    assert (project / "toy" / "sums.py").read_text() == before


@pytest.mark.parametrize("old", ["return x", "x + 2"])
def test_a_text_that_does_not_stand_there_once_is_refused(old: str, mutate: ModuleType, project: Path) -> None:
    with pytest.raises(ValueError, match=r"once in toy/sums\.py, where it stands [02] times"):
        mutate.Mutation(1, "sums", "toy/sums.py", old, "x", ()).applied(project)


@pytest.mark.slow
def test_a_break_that_stops_the_tests_from_being_found_is_refused(mutate: ModuleType, project: Path) -> None:
    mutation = mutate.Mutation(1, "sums", "toy/sums.py", "x + 1", "x +", ("tests/test_sums.py",))
    with pytest.raises(ValueError, match="wanted 0 or 1"):
        alone(mutate.survives, project, mutation)


def test_a_module_is_mirrored_by_its_test(mutate: ModuleType) -> None:
    assert mutate.mirror("calrun/report/measure/cost.py") == "tests/report/measure/test_cost.py"
    assert mutate.mirror("calrun/method/fit/fit.py") == "tests/method/fit/test_fit.py"
