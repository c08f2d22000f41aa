"""Loops that numba compiles, and keeps on disk between processes if a folder for them can be written."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function compiled at its first call.

    Numba refuses to cache if neither the installation nor the user's home can be written; then each process compiles
    the function again.
    """
    try:
        made: Callable[..., Any] = numba.njit(cache=True)(function)
    except RuntimeError:
        made = numba.njit(function)
    return made
