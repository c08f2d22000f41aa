"""What a YAML of calrun can compute: `${calrun.times:2,${trainer.batch_size}}`, `${calrun.if_there:${paths.data}}`."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf


def times(factor: Any, number: Any) -> Any:
    """Returns the product of two numbers; unless both are numbers, returns `number` as it is, to be refused later."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (factor, number))
    return factor * number if numbers else number


def if_there(place: Any) -> str | None:
    """Returns a place if something lies there, otherwise `None`; so what lies there is part of the configuration."""
    return str(place) if Path(str(place)).expanduser().exists() else None


OmegaConf.register_new_resolver("calrun.times", times, replace=True)
OmegaConf.register_new_resolver("calrun.if_there", if_there, replace=True)
