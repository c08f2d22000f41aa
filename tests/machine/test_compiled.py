"""Compiled loops need no folder that can be written."""

from typing import Any

import pytest

from calrun.machine.compiled import compiled


def test_a_read_only_installation_and_home_compile_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source in /proc stands for the installation: not even root can write beside it."""
    monkeypatch.setenv("HOME", "/proc")
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, Any] = {}
    exec(compile("def twice(x):\n    return 2 * x", "/proc/version", "exec"), names)
    assert compiled(names["twice"])(21) == 42
