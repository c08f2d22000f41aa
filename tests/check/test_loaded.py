"""What a `_target_` names, or one sentence on why it cannot be loaded."""

from pathlib import Path

import pytest
from hydra.errors import InstantiationException

from calrun.check.loaded import loaded
from calrun.errors import exit_code, sentence
from calrun.oracle.noisy import Noisy


def test_a_class_is_found() -> None:
    assert loaded("calrun.oracle.noisy.Noisy") is Noisy


@pytest.mark.parametrize("module", ["", "import nowhere_to_be_found\n", "1 / 0\n"])
def test_what_cannot_be_loaded_is_a_mistake_in_one_sentence(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_loaded.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InstantiationException) as refused:
        loaded("half_loaded.Lost")
    assert exit_code(refused.value) == 2
    assert sentence(refused.value).startswith("half_loaded.Lost cannot be loaded (")
    assert "correct the _target_ that names it" in sentence(refused.value)
