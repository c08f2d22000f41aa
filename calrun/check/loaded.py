"""What a `_target_` names, imported."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object


def loaded(target: str) -> Any:
    """Returns the class or function that a `_target_` names.

    Raises:
        InstantiationException: if it cannot be loaded, as where Hydra makes an object of it.
    """
    try:
        return get_object(target)
    except ImportError as error:
        raise InstantiationException(str(error)) from error
