"""SimCLR v2's TensorFlow checkpoint of a ResNet-50 (1x, no selective kernels) as a file of torchvision's resnet50.

    python scripts/convert_simclr.py r50_1x_sk0/model.ckpt-250228 simclr.pt
    calrun run model=torchvision model.model_name=resnet50 method=linear_probe method.start.path=simclr.pt ...

The names are those that the authors' code gives (google-research/simclr, resnet.py, read for this): `base_model/` with
`conv2d`, `conv2d_1`, ... and `batch_normalization`, ... numbered in the order of creation, in which the projection
shortcut of a stage's first block comes before the block's own three convolutions. Kernels are (height, width, in, out).

Not verified here, for want of the files: the released checkpoint itself. Known to differ: TensorFlow pads the stem's
max pooling on the right and below only, torchvision on all sides, which moves its windows by a pixel. The networks were
trained on pixels from 0 to 1 without further normalisation: set dataset.transform.mean to 0 and std to 1.

Reading wants tensorflow, which calrun does not depend on.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor

from calrun.machine.files import replace_file

BLOCKS = (3, 4, 6, 3)  # of ResNet-50
BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
Pairs = dict[str, str]


def main() -> int:
    """Reads, converts and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="the checkpoint without the ending .index, such as model.ckpt-250228")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--ema", action="store_true", help="the moving average of the weights, where it was kept")
    given = parser.parse_args()
    try:
        weights = converted(arrays_in(given.checkpoint), "ema_model/base_model/" if given.ema else "base_model/")
        replace_file(given.out, lambda path: torch.save(weights, path))
    except (ValueError, OSError) as error:
        print(f"convert_simclr: {error}", file=sys.stderr)
        return 2
    print(f"{given.out}: {len(weights)} tensors with the names of torchvision's resnet50")
    return 0


def arrays_in(checkpoint: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a TensorFlow checkpoint by name.

    Raises:
        ValueError: if tensorflow is not installed, or cannot read it.
    """
    try:
        import tensorflow
    except ImportError:
        raise ValueError(
            "reading a TensorFlow checkpoint wants tensorflow, which is not installed; pip install tensorflow, "
            "in another environment if need be: this script wants torch and calrun besides"
        ) from None
    try:
        reader = tensorflow.train.load_checkpoint(checkpoint)
    except Exception as error:  # tensorflow's own kinds
        raise ValueError(
            f"{checkpoint} cannot be read as a TensorFlow checkpoint ({error}); give model.ckpt-N"
        ) from None
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def converted(arrays: Mapping[str, np.ndarray], scope: str = "base_model/") -> dict[str, Tensor]:
    """Returns the weights of torchvision's resnet50 without its last layer.

    Args:
        arrays: of the checkpoint, by name.
        scope: what stands before the names of the backbone.

    Raises:
        ValueError: if it holds another network.
    """
    pairs = torch_names(arrays, scope)
    weights = {ours: torch.from_numpy(laid_out(arrays[theirs]).copy()) for ours, theirs in pairs.items()}
    with torch.device("meta"):
        wanted = torchvision.models.resnet50().state_dict()
    for name, value in weights.items():
        if value.shape != wanted[name].shape:
            raise ValueError(
                f"{pairs[name]} has the shape {arrays[pairs[name]].shape}, but as {name} of a ResNet-50 (1x) "
                f"{tuple(wanted[name].shape)} is wanted (out, in, height, width); take the 1x network"
            )
    return weights


def torch_names(arrays: Mapping[str, object], scope: str) -> Pairs:
    """Returns the name in the checkpoint for each name of torchvision's resnet50, by the order of creation.

    Raises:
        ValueError: if the number of layers is not that of a ResNet-50 without selective kernels.
    """
    layers = {kind: numbered(arrays, scope, kind) for kind in ("conv2d", "batch_normalization")}
    order = created()
    for kind, found in layers.items():
        if found != [*range(len(order))]:
            raise ValueError(
                f"the checkpoint holds {len(found)} layers {kind} under {scope}, but a ResNet-50 without selective "
                f"kernels has {len(order)}, numbered from 0; its first names are {sorted(arrays)[:5]}"
            )
    pairs: Pairs = {}
    for number, (conv, batch_norm) in enumerate(order):
        ending = f"_{number}" if number else ""
        pairs[f"{conv}.weight"] = f"{scope}conv2d{ending}/kernel"
        for theirs, ours in BATCH_NORM.items():
            pairs[f"{batch_norm}.{ours}"] = f"{scope}batch_normalization{ending}/{theirs}"
    lacking = [name for name in pairs.values() if name not in arrays]
    if lacking:
        raise ValueError(f"the checkpoint lacks {len(lacking)} arrays (first: {lacking[:5]}); it is no whole network")
    return pairs


def numbered(arrays: Mapping[str, object], scope: str, kind: str) -> list[int]:
    """Returns the numbers of the layers of a kind; that without a number is 0."""
    pattern = re.compile(rf"{re.escape(scope)}{kind}(?:_(\d+))?/")
    return sorted({int(found.group(1) or 0) for name in arrays if (found := pattern.match(name))})


def created() -> list[tuple[str, str]]:
    """Returns torchvision's names of each convolution and its BatchNorm, in the order in which SimCLR makes them."""
    order = [("conv1", "bn1")]
    for stage, blocks in enumerate(BLOCKS, start=1):
        for block in range(blocks):
            here = f"layer{stage}.{block}"
            if not block:
                order.append((f"{here}.downsample.0", f"{here}.downsample.1"))
            order += [(f"{here}.conv{number}", f"{here}.bn{number}") for number in (1, 2, 3)]
    return order


def laid_out(array: np.ndarray) -> np.ndarray:
    """Returns a kernel (height, width, in, out) as (out, in, height, width), and vectors as they are."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


if __name__ == "__main__":
    sys.exit(main())
