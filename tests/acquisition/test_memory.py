"""Chunks follow the stated limit."""

import psutil
import pytest

from calrun.acquisition.memory import GIB, chunk_rows, limit_bytes


def test_as_many_rows_as_fit_into_the_limit() -> None:
    assert chunk_rows(1024, 1.0) == GIB // 1024


def test_default_is_a_quarter_of_what_is_free() -> None:
    assert limit_bytes(None) == pytest.approx(psutil.virtual_memory().available / 4, rel=0.5)


def test_a_row_that_does_not_fit_is_refused_with_the_option_to_change() -> None:
    with pytest.raises(ValueError, match=r"one row needs 2 GiB but the limit is 1 GiB; raise acquisition.memory_gib"):
        chunk_rows(2 * GIB, 1.0)


def test_a_limit_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive, got 0"):
        chunk_rows(8, 0)
