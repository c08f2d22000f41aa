"""What a run is: the configuration that decides its result, and the data that it was begun on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

UNHASHED = ("paths", "logger", "record", "experiment_name")
WHERE_NOT_WHAT = ("root", "path", "file", "folder")  # of these only the last part of the value counts
HOW_NOT_WHAT = ("checkpoint_every_seconds", "num_workers")


def run_id(cfg: DictConfig) -> str:
    """Returns a short hash of what decides a run's result: the resolved configuration without paths and logging."""
    kept = {key: value for key, value in OmegaConf.to_container(cfg, resolve=True).items() if key not in UNHASHED}  # type: ignore[union-attr]
    return hashlib.sha256(json.dumps(_without_places(kept), sort_keys=True).encode()).hexdigest()[:8]


def _without_places(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_places(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: Path(item).name if key in WHERE_NOT_WHAT and isinstance(item, str) else _without_places(item)
        for key, item in value.items()
        if key not in HOW_NOT_WHAT
    }


def refuse_foreign(folder: Path, config: dict[str, Any]) -> None:
    """Refuses a folder that belongs to another run, or that is none of calrun's.

    Args:
        folder: a run folder, perhaps empty.
        config: what its config.yaml holds, or would hold if this run began it.

    Raises:
        ValueError: if the folder is another run's, or was begun on other data.
    """
    path = folder / "config.yaml"
    if not path.exists():
        others = sorted(p.name for p in folder.iterdir() if p.name != "lock")
        if others:
            raise ValueError(
                f"{folder} holds files but no config.yaml (first: {others[:5]}); it is no run folder of "
                "calrun: choose another paths.outputs or experiment_name"
            )
        return
    found = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(found, dict) or found.get("run_id") != config["run_id"]:
        came = found.get("run_id") if isinstance(found, dict) else None
        raise ValueError(
            f"{folder} belongs to run {came}, not to {config['run_id']}; it is left as it is: "
            "choose another experiment_name or paths.outputs"
        )
    if found.get("data_fingerprint") != config["data_fingerprint"]:
        raise ValueError(
            f"{folder} was begun on other data (fingerprint {found.get('data_fingerprint')}, now "
            f"{config['data_fingerprint']}); it is left as it is: choose another experiment_name"
        )


UNIMPORTANT_KEYS = (*HOW_NOT_WHAT, "num_threads", "accelerator", "devices", "download", "memory_gib", "root")


def canonical(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns a nested configuration without what changes no result, and with numbers written one way."""
    return {key: _canonical(value, key) for key, value in tree.items() if key not in (*UNHASHED, *UNIMPORTANT_KEYS)}


def _canonical(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(item, name) for name, item in value.items() if name not in UNIMPORTANT_KEYS}
    if isinstance(value, list):
        return [_canonical(item, key) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return Path(value).name if key in WHERE_NOT_WHAT and isinstance(value, str) else value
