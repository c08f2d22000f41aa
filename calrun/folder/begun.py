"""What data and code a run folder was begun on, and whether they are the same now.

Asked before a run is said to be finished and before it goes on.
"""

from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

import yaml

from calrun.folder.config_file import config_text, parsed
from calrun.folder.content import Fingerprint
from calrun.folder.identity import Identity

COMPLETE = "complete"


def recorded_in(folder: Path) -> dict[str, Any] | None:
    """Returns a run folder's config.yaml; `None` if there is none, empty if it is damaged or cut off."""
    try:
        found = parsed(config_text(folder / "config.yaml"))
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get(COMPLETE) is True else {}


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a config.yaml holds, with the key `complete` last, which a copy that was cut off lacks."""
    return {**{key: value for key, value in config.items() if key != COMPLETE}, COMPLETE: True}


def refuse_foreign(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuses a folder that belongs to another run, or that is not calrun's.

    Args:
        folder: a run folder, perhaps empty.
        config: what its config.yaml holds, or would hold if this run began it.

    Raises:
        ValueError: if it is such a folder, or its config.yaml is damaged.
    """
    found = recorded_in(folder)
    if found is None:
        others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))  # except traces of a kill
        if others:
            raise ValueError(
                f"{folder} holds files but no config.yaml (first: {others[:5]}); it is no run folder of "
                "calrun: choose another paths.outputs or experiment_name"
            )
    elif not found:
        raise damaged(folder)
    elif found.get("run_id") != config["run_id"] and found.get("nameless_id", "") != config.get("nameless_id"):
        raise ValueError(
            f"{folder} belongs to run {found.get('run_id')}, not to {config['run_id']}; it is left as it is: "
            "choose another experiment_name or paths.outputs"
        )


def damaged(folder: Path) -> ValueError:
    """Returns the refusal of a folder whose config.yaml can no longer be read."""
    return ValueError(
        f"{folder / 'config.yaml'} is damaged; put back a copy that is whole, or add --fresh to move the folder "
        "aside and play anew"
    )


def refuse_changed(folder: Path, now: Identity, data_in_memory: str | None = None) -> None:
    """Refuses to go on with rounds that were played on other data or with other code.

    Args:
        folder: a run folder with at least one committed round.
        now: the run as it would be today.
        data_in_memory: the checksum of the loaded data set; `None` if it has not been loaded.

    Raises:
        ValueError: with what differs, before and now, or if config.yaml is damaged.
    """
    begun = recorded_in(folder)
    if begun is None:
        return
    if not begun:
        raise damaged(folder)
    if other_data(begun, now):
        before = Fingerprint(**begun["data_files_are"])
        raise ValueError(
            f"{folder} was begun on other data: {_listed(begun.get('data_places'))} had {before}, "
            f"now {_listed(now.places)} has {now.data}; put the data back, choose another experiment_name, or add "
            "--fresh to move the folder aside and play anew"
        )
    if data_in_memory is not None and begun.get("data_fingerprint") != data_in_memory:
        raise ValueError(
            f"{folder} was begun on other data (fingerprint {begun.get('data_fingerprint')}, now {data_in_memory}); "
            "put the data back, choose another experiment_name, or add --fresh to move the folder aside and play anew"
        )
    if changed := changed_code(begun, now):
        raise ValueError(
            f"{changed} since {folder} was begun; add --accept-code to go on with the new code, or --fresh to move the "
            "folder aside and play anew"
        )


def refuse_changed_since(ordered: Mapping[str, Any], now: Identity) -> None:
    """Refuses to play an order whose code is no longer what it was when the order was given.

    Args:
        ordered: the code at that time; empty if this process was not ordered to play.
        now: the run as it would be today.

    Raises:
        ValueError: with the files that have changed.
    """
    if ordered and (changed := changed_code(ordered, now)):
        raise ValueError(
            f"{changed} since the run was submitted; submit it again to play it with the code as it is now"
        )


def other_data(begun: Mapping[str, Any], now: Identity) -> bool:
    """Tells whether the data set's files differ from those that a run was begun on."""
    before = begun.get("data_files_are")
    return isinstance(before, dict) and now.data is not None and Fingerprint(**before).differs_from(now.data)


def changed_code(begun: Mapping[str, Any], now: Identity) -> str:
    """Returns what has changed in the code that makes a run's results; empty if nothing has."""
    before: dict[str, str] = begun.get("code") or {}
    files = sorted(name for name in before.keys() | now.code.keys() if before.get(name) != now.code.get(name))
    said = [f"{', '.join(files)} changed"] if files else []
    if begun.get("results", now.results) != now.results:
        said.append(f"calrun's own results changed (from number {begun['results']} to {now.results})")
    return " and ".join(said)


def _listed(places: Any) -> str:
    return ", ".join(map(str, places)) if places else "the data set"


def renamed(folder: Path, now: Identity) -> Path:
    """Returns `folder`, or if it does not exist, that of the same run on the same data under another name."""
    if folder.exists() or now.data is None or not now.places:
        return folder
    for other in siblings(folder):
        found = recorded_in(other) or {}
        if found.get("nameless_id") == now.nameless_id and not other_data(found, now):
            return other
    return folder


def siblings(folder: Path) -> list[Path]:
    """Returns the folders of runs that differ from a run folder in the hash alone."""
    beginning = folder.name.rpartition("-")[0]
    return sorted(path for path in folder.parent.glob(f"{escape(beginning)}-????????") if path != folder)
