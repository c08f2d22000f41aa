"""What Lightning itself refuses in the group `trainer`."""

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from calrun.check.lightning import trainer_arguments
from calrun.training.trainer import OURS


def refused_by_lightning(trainer: DictConfig) -> list[str]:
    """Returns a sentence if Lightning refuses the group `trainer`, or if it asks for more than one device."""
    arguments = trainer_arguments(trainer)
    try:
        made = pl.Trainer(**arguments, **OURS, enable_checkpointing=False, plugins=[LightningEnvironment()])
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        if "No supported gpu backend" in str(error):
            return ["the trainer wants a GPU, but this machine has none that torch can use; choose trainer=cpu"]
        return [f"trainer: Lightning refuses {arguments} ({error}); correct it"]
    if made.world_size != 1:
        return [
            f"trainer: a run trains on one device, but {arguments} asks for {made.world_size}; set trainer.devices to 1"
        ]
    return []
