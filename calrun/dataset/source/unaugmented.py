"""`dataset.augment=false`: training sees the rows as the evaluation does, whatever a data set's recipe augments."""

from omegaconf import DictConfig, OmegaConf

OFF = {  # by the key of what augments: what leaves rows as the evaluation sees them
    "transform": ("calrun.dataset.source.transform.Transform", {"crop_padding": 0, "flip": False}),
    "picture": ("calrun.dataset.source.picture.Picture", {"min_area": 1, "flip": False}),
}

KNOWN = " and ".join(target for target, _ in OFF.values())


def without_augmentation(node: DictConfig) -> DictConfig:
    """Returns a data set's node with calrun's crops and flips switched off.

    Raises:
        ValueError: if it holds something else that may augment, or nothing that does.
    """
    held = {key: OmegaConf.select(node, f"{key}._target_") for key in OFF}
    known = [key for key, target in held.items() if target == OFF[key][0]]
    others = [str(target) for key, target in held.items() if target is not None and key not in known]
    if others or not known:
        came = f"has {' and '.join(others)}, which it does not know" if others else "has neither of both"
        raise ValueError(
            f"dataset.augment=false switches off the crops and flips of {KNOWN}, "
            f"but this data set {came}; leave dataset.augment out, and change what augments by its own keys"
        )
    off = {key: {name: value for name, value in OFF[key][1].items() if name in node[key]} for key in known}
    return OmegaConf.merge(node, off)  # type: ignore[return-value] # of two mappings
