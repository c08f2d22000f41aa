"""Loops that numba compiles, kept on disk between processes where a folder for them can be written."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function compiled at its first call.

    Numba refuses to cache where neither the installation nor the user's home can be written; then each process compiles
    anew.
    """
    try:
        made: Callable[..., Any] = numba.njit(cache=True)(function)
    except RuntimeError:
        made = numba.njit(function)
    return made
