"""A record is accepted for its own cell alone, and as it was written."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from calrun.arena.bank import Bank, Misfit
from calrun.arena.entrants import entrants
from calrun.arena.identity import code_of, modules_of, short_digest, who_plays
from calrun.arena.player import Played
from calrun.arena.settings import Settings

SIZES = [10, 20, 30, 40, 50]


@cache
def who() -> dict[str, Any]:
    return who_plays(entrants(["margin"])[0])


def identity(seed: int = 0, **settings: float) -> dict[str, Any]:
    ground = {"set": "digits", "data": "0123", "budget": "low", "labels": SIZES}
    return {**who(), **ground, "seed": seed, "settings": asdict(Settings(**settings))}  # type: ignore[arg-type]


def played() -> Played:
    return Played(
        SIZES, [0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5], {"fit": 1.0, "score": 0.1, "select": 0.2}
    )


def set_identity(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["identity"].__setitem__(key, value)


def set_played(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["played"].__setitem__(key, value)


def inner(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


NUM_IDENTITIES = 14
TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "acquisition": set_identity("acquisition", "entropy"),
    "code": set_identity("code", "0" * 16),
    "player": set_identity("player", "0" * 16),
    "data": set_identity("data", "9999"),
    "set": set_identity("set", "clouds"),
    "budget": set_identity("budget", "high"),
    "labels": set_identity("labels", [10, 20, 30, 40, 60]),
    "seed": set_identity("seed", 1),
    "seed as text": set_identity("seed", "0"),
    "configuration": inner("identity", "configuration", "space", value="logit"),
    "another configuration key": inner("identity", "configuration", "more", value=1),
    "settings": inner("identity", "settings", "l2", value=2.0),
    "a setting that there is not": inner("identity", "settings", "more", value=1),
    "no code": lambda record: record["identity"].pop("code"),
    # up to here, identities
    "a better accuracy": inner("played", "accuracy", value=[0.1, 0.2, 0.3, 0.4, 0.9]),
    "a better balanced accuracy": set_played("balanced_accuracy", [0.9] * 5),
    "less time": inner("played", "seconds", "select", value=0.0),
    "no rounds": lambda record: record["played"].pop("labelled"),
    "another digest": lambda record: record.__setitem__("digest", "0" * 16),
    "no digest": lambda record: record.pop("digest"),
    "something besides": lambda record: record.__setitem__("note", "mine"),
    "a key of what was played": set_played("more", 1),
}


def tampered_record(change: Callable[[dict[str, Any]], object], bank: Bank) -> dict[str, Any]:
    bank.write(identity(), played())
    record: dict[str, Any] = json.loads(bank.place(identity()).read_text())
    change(record)
    return record


@pytest.mark.parametrize("tampered", TAMPERED)
def test_a_tampered_record_is_refused_by_name(tampered: str, tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    record = tampered_record(TAMPERED[tampered], bank)
    bank.place(identity()).write_text(json.dumps(record))
    with pytest.raises(Misfit, match=r"low/margin/0\.json"):
        bank.read(identity())


@pytest.mark.parametrize("tampered", list(TAMPERED)[:NUM_IDENTITIES])
def test_another_identity_is_refused_even_if_the_record_fits_together(tampered: str, tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    record = tampered_record(TAMPERED[tampered], bank)
    record["digest"] = short_digest({key: record[key] for key in ("identity", "played")})
    bank.place(identity()).write_text(json.dumps(record))
    with pytest.raises(Misfit, match="of another cell: it differs in"):
        bank.read(identity())


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\0\0", '{"identity": {}}'])
def test_a_damaged_record_is_refused(content: str, tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    bank.write(identity(), played())
    bank.place(identity()).write_text(content)
    with pytest.raises(Misfit):
        bank.read(identity())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert bank.read(identity()) is None
    bank.write(identity(), played())
    assert bank.read(identity()) == played()
    assert bank.read(identity(seed=1)) is None
    assert bank.acquisitions(["digits", "clouds"]) == {"margin"}


def test_the_sentence_says_what_differs(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    bank.write(identity(), played())
    with pytest.raises(Misfit, match="it differs in settings"):
        bank.read(identity(l2=3.0))


def test_a_record_that_is_moved_aside_is_kept(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    for number in range(2):
        bank.write(identity(), played())
        bank.move_aside(identity())
        assert bank.read(identity()) is None
        assert bank.place(identity()).with_suffix(f".refused-{number}").exists()


def forget() -> None:
    for cached in (code_of, modules_of):
        cached.cache_clear()


def test_memory_limits_change_no_identity_and_comments_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "memory_gib" not in identity()["configuration"]
    digests = []
    for number, source in enumerate(("X = 1\n", '"""Said."""\n# more\nX = 1\n', "X = 2\n")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "ownpick.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path / str(number)))
        forget()
        digests.append(code_of(("ownpick.Mine",)))
    forget()
    assert digests[0] == digests[1] != digests[2]
