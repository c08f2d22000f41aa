"""Numbers that no run can have, found before anything is built from them."""

from collections.abc import Iterator
from types import UnionType

from omegaconf import DictConfig, OmegaConf

Wanted = tuple[type | UnionType, float, bool]  # kind, least value, whether null is allowed

MEMORY: Wanted = (int | float, 0.001, True)  # GiB of temporary tensors; a kernel may need more, see shortage()
NUMBERS: dict[str, Wanted] = {
    "seed": (int, 0, False),
    "seed_set_seed": (int, 0, True),
    "trainer.batch_size": (int, 1, False),
    "trainer.predict_batch_size": (int, 1, False),
    "trainer.max_epochs": (int, 1, False),
    "trainer.cal_epochs": (int, 1, False),
    "trainer.num_threads": (int, 1, True),
    "trainer.checkpoint_every_seconds": (int | float, 0, False),
    "val_fraction": (int | float, 0, False),
    "scale": (int | float, 0, False),
    "record.stop_set": (int, 0, True),
}


def wrong_numbers(cfg: DictConfig) -> list[str]:
    """Returns one sentence for each impossible number."""
    problems, limits = [], {key: MEMORY for group in ("acquisition", "initial") for key in memory_keys(cfg, group)}
    for key, (kind, least, optional) in {**NUMBERS, **limits}.items():
        value = OmegaConf.select(cfg, key)
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if not (value is None and optional) and not (is_number and value >= least):
            wanted = "a whole number" if kind is int else "a number"
            problems.append(f"{key} wants {wanted} of at least {least}, got {value!r}")
    return problems or _wrong_fractions(cfg)


def memory_keys(cfg: DictConfig, where: str) -> Iterator[str]:
    """Yields the keys of all memory limits of an acquisition and of those that it holds."""
    node = OmegaConf.select(cfg, where)
    for name in map(str, node) if isinstance(node, DictConfig) else ():
        key = f"{where}.{name}"
        yield from [key] if name == "memory_gib" else memory_keys(cfg, key)


def _wrong_fractions(cfg: DictConfig) -> list[str]:
    if cfg.val_fraction < 1 and 0 < cfg.scale <= 1:
        return []
    return [
        f"val_fraction wants a number from 0 up to 1 and scale one above 0 up to 1, got {cfg.val_fraction} and "
        f"{cfg.scale}"
    ]
