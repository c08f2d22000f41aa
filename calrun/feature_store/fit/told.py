"""The feature store of a configuration, which is told what a run knows of its rows."""

import json
from inspect import signature
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from calrun.feature_store.base import FeatureStore
from calrun.feature_store.keep.facts import digest
from calrun.feature_store.none import InMemory
from calrun.folder.code import user_code
from calrun.folder.content import fingerprint
from calrun.folder.identity import canonical, check_of, data_places
from calrun.text.legal import is_a


def build_store(cfg: DictConfig) -> FeatureStore:
    """Instantiates the feature store; run folders from before there was one have none."""
    node = cfg.get("feature_store")
    if not node:
        return InMemory()
    taken = signature(get_object(node["_target_"])).parameters
    told = told_store(cfg) if "content" in taken else {}
    return is_a("feature_store", instantiate(node, **told), FeatureStore)


def told_store(cfg: DictConfig) -> dict[str, str]:
    """Returns what decides features besides the rows and the weights themselves, and a name for people.

    `content` is a digest of the data set's files, `reading` one of the option that reads them and of the user's own
    code of data set and model.
    """
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    read = fingerprint(data_places(tree), check_of(tree))
    kept = canonical(tree)
    decides = {key: kept.get(key) for key in ("dataset", "row_transform")}
    decides["code"] = user_code({key: tree[key] for key in ("dataset", "model", "row_transform") if tree.get(key)})
    names = [str(tree[key]["_target_"]).rpartition(".")[0].rpartition(".")[2] for key in ("dataset", "model")]
    return {
        "content": f"{read.names}-{read.content}",
        "reading": digest([json.dumps(decides, sort_keys=True).encode()]),
        "what": " ".join(names),
    }
