"""What a YAML of calrun can compute from other values: `${calrun.times:2,${trainer.batch_size}}`."""

from typing import Any

from omegaconf import OmegaConf


def times(factor: Any, number: Any) -> Any:
    """Returns the product of two numbers; unless both are numbers, returns `number` as it is, to be refused later."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (factor, number))
    return factor * number if numbers else number


OmegaConf.register_new_resolver("calrun.times", times, replace=True)
