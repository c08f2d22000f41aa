"""Where in a file of weights a backbone lies: known layouts of self-supervised checkpoints.

| | under | backbone | beside it |
|---|---|---|---|
| MoCo v2 (Chen et al. 2020) | state_dict | module.encoder_q. | its MLP fc., encoder_k, the queue |
| BYOL-EMAN (Cai et al. 2021) | state_dict | module.online_net.backbone. | projector, predictor, target_net |
| SwAV (Caron et al. 2020) | | module. | projection_head, prototypes |
| DINO (Caron et al. 2021), EsViT (Li et al. 2022) | teacher, student | backbone., module.backbone. | head |
| DINOv2 (Oquab et al. 2023) | | | mask_token |
| SimCLR v2 (Chen et al. 2020), by scripts/convert_simclr.py | | | |

None of these is recognised by its name: what fits is found. A prefix fits if it makes names and shapes those of the
backbone, with nothing left over but heads. Some layers of DINOv2 and of EsViT's Swin have other names in timm.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the weights among other things
DEEPEST = 3  # dictionaries within dictionaries that are looked into
COUNTER = "num_batches_tracked"  # BatchNorm's counter of batches, which old files lack and nothing here reads
HEADS = (  # beginnings of names that stand beside a backbone's own
    *("fc.", "head.", "heads.", "head_dense.", "classifier.", "linear.", "mlp.", "last_layer."),
    *("projection_head.", "prototypes.", "projector.", "predictor.", "projection.", "mask_token"),
)
INSTEAD = {  # of two networks that fit, the one that the authors evaluate
    "encoder_k": "encoder_q",
    "target_net": "online_net",
    "target_network": "online_network",
    "target_encoder": "online_encoder",
    "target": "online",
    "student": "teacher",
}
NAMES = (  # of DINOv2, and timm's
    (r"^register_tokens$", "reg_token"),
    (r"^(blocks\.\d+\.mlp)\.w12\.", r"\1.fc1."),
    (r"^(blocks\.\d+\.mlp)\.w3\.", r"\1.fc2."),
)


def flattened(stored: Mapping[object, object], depth: int = DEEPEST) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors of a dictionary and of those in it, by dotted name; an optimizer's are numbered, not named."""
    for key, value in stored.items():
        if not isinstance(key, str):
            continue
        if isinstance(value, Tensor):
            yield key, value
        elif isinstance(value, Mapping) and depth:
            start = "" if key in WRAPPERS else f"{key}."
            yield from ((f"{start}{name}", tensor) for name, tensor in flattened(value, depth - 1))


def common_prefixes(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> list[str]:
    """Returns what stands before names of the backbone in a file, the prefix of most of them first."""
    votes = Counter(
        key[:start] for key in stored for start in starts(key) if key[start:] in wanted and not key.endswith(COUNTER)
    )
    return [prefix for prefix, _ in votes.most_common()]


def starts(key: str) -> list[int]:
    """Returns where the parts of a dotted name begin."""
    return [0, *(found.end() for found in re.finditer(r"\.", key))]


def fitting(
    prefixes: Sequence[str], wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], leave_out: Sequence[str]
) -> list[str]:
    """Returns the prefixes that make a file fit; of a pair of networks, the one that its authors evaluate."""
    fit: list[str] = []
    for prefix in sorted(prefixes, key=len, reverse=True):  # a whole network within another's names is not its own
        rest = {key: value for key, value in stored.items() if not key.startswith(tuple(fit))}
        if fits(wanted, under(rest, prefix, leave_out, wanted)):
            fit.append(prefix)
    there = {parts(prefix) for prefix in fit}
    return sorted(prefix for prefix in fit if there.isdisjoint(alternatives(prefix)))


def fits(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> bool:
    """Tells whether weights have exactly the names and shapes of a backbone."""
    needed = {key for key in wanted if not key.endswith(COUNTER)}
    return needed <= weights.keys() <= wanted.keys() and all(wanted[key].shape == weights[key].shape for key in weights)


def parts(prefix: str) -> tuple[str, ...]:
    """Returns the words of a prefix but `module`, which DistributedDataParallel adds to DINO's student alone."""
    return tuple(word for word in prefix.split(".") if word != "module")


def alternatives(prefix: str) -> Iterator[tuple[str, ...]]:
    """Yields the words of the networks that are rather taken than this one."""
    own = parts(prefix)
    for word, better in INSTEAD.items():
        if word in own:
            yield tuple(better if part == word else part for part in own)


def under(
    stored: Mapping[str, Tensor], prefix: str, leave_out: Sequence[str], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Returns the weights with a prefix, which is taken off, in the backbone's own names and without heads."""
    chosen = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    chosen = {key: value for key, value in chosen.items() if not key.startswith(tuple(leave_out))}
    chosen = chosen if chosen.keys() >= wanted.keys() else as_timm(chosen)
    return {key: value for key, value in chosen.items() if key in wanted or not key.startswith(HEADS)}


def as_timm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights of DINOv2 and of the authors' Swin under timm's names; any others stay as they are.

    With registers, timm keeps no position of DINOv2's class token: it is added to the token. Swin's stages reduce their
    pictures at the end, timm's at the beginning.
    """
    weights = moved_downsampling(weights) if "layers.0.downsample.reduction.weight" in weights else weights
    renamed = {}
    for key, value in weights.items():
        name = key
        for pattern, other in NAMES:
            name = re.sub(pattern, other, name)
        renamed[name] = value
    if "register_tokens" in weights and {"cls_token", "pos_embed"} <= weights.keys():
        renamed["cls_token"] = weights["cls_token"] + weights["pos_embed"][:, :1]
        renamed["pos_embed"] = weights["pos_embed"][:, 1:]
    return renamed


def moved_downsampling(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights of a Swin whose reductions belong to the stage after them, without the tables it can compute."""
    return {
        re.sub(r"^layers\.(\d+)\.downsample", lambda found: f"layers.{int(found[1]) + 1}.downsample", key): value
        for key, value in weights.items()
        if not key.endswith(("relative_position_index", "attn_mask"))
    }
