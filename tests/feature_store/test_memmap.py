"""Features on disk: equal to those of a pass, known by what decides them, whole or going on, and nothing else."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.base import Source
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.feature_store.keep import passed
from calrun.feature_store.keep.kept import Kept, all_kept
from calrun.feature_store.keep.lock import locked
from calrun.feature_store.memmap import Memmap
from calrun.feature_store.none import InMemory
from calrun.look.predict import Predictor
from calrun.model.base import Classifier, Output

ROWS, WIDTH = 40, 5


def network(seed: int = 0, width: int = WIDTH, scale: float = 1.0) -> Classifier:
    torch.manual_seed(seed)
    net = Classifier(torch.nn.Sequential(torch.nn.Linear(6, width), torch.nn.ReLU()), width, 3)
    with torch.no_grad():
        net.backbone[0].weight.mul_(scale)
    return net


def rows(seed: int = 0, mean: float = 1.0) -> Resident:
    inputs = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(seed))
    return Resident(inputs, np.arange(ROWS) % 3, Transform([mean], [2.0]))


def predictor(batch_size: int = 16, precision: str = "32-true") -> Predictor:
    return Predictor("cpu", precision, batch_size)


def store(folder: Path, **changed: str) -> Memmap:
    return Memmap(**{"folder": str(folder), "dtype": "float32", "augment": "refuse", **changed})


def values(source: Source) -> torch.Tensor:
    return torch.cat([x for _, x in source.batches(np.arange(len(source)), 7)])


def only(folder: Path) -> Kept:
    (kept,) = all_kept(folder)
    return kept


@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-5), ("float16", 2e-3)])
@pytest.mark.parametrize("batch_size", [1, 16, 64])
def test_features_are_those_of_a_pass_whatever_the_chunk(
    tmp_path: Path, dtype: str, most: float, batch_size: int
) -> None:
    expected = values(InMemory().source(network(), rows(), predictor()))
    found = store(tmp_path, dtype=dtype).source(network(), rows(), predictor(batch_size))
    torch.testing.assert_close(values(found), expected, atol=most, rtol=most)
    assert values(found).dtype == torch.float32
    assert np.load(only(tmp_path).path).dtype == dtype


def test_a_second_look_makes_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = values(store(tmp_path).source(network(), rows(), predictor()))
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda *_: pytest.fail("the backbone was asked again"))
    torch.testing.assert_close(values(store(tmp_path).source(network(), rows(), predictor())), first)


def test_the_head_and_its_classes_play_no_part(tmp_path: Path) -> None:
    other = network()
    other.head = torch.nn.Linear(WIDTH, 7)
    for net in (network(), other):
        store(tmp_path).source(net, rows(), predictor())
    assert only(tmp_path).is_whole


@pytest.mark.parametrize(
    "changed",
    [
        {"net": network(seed=1)},
        {"source": rows(seed=1)},
        {"source": rows(mean=0.5)},
        {"kept": {"dtype": "float16"}},
        {"kept": {"content": "other files"}},
        {"kept": {"reading": "another size of pictures"}},
        {"passes": predictor(precision="bf16-mixed")},
    ],
)
def test_whatever_decides_features_gives_them_another_place(tmp_path: Path, changed: dict) -> None:
    store(tmp_path).source(network(), rows(), predictor())
    store(tmp_path, **changed.get("kept", {})).source(
        changed.get("net", network()), changed.get("source", rows()), changed.get("passes", predictor())
    )
    assert len([*all_kept(tmp_path)]) == 2


def test_nothing_is_left_beside_whole_features(tmp_path: Path) -> None:
    store(tmp_path).source(network(), rows(), predictor())
    kept = only(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {kept.path.name, kept.sidecar.name}


def test_a_pass_that_ended_goes_on_inside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(passed, "MARK_SECONDS", -1.0)

    class Stopping(Resident):
        def batches(self, chosen: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
            for part, x in super().batches(chosen, batch_size):
                seen.extend(part.tolist())
                if len(seen) == 24:
                    raise KeyboardInterrupt
                yield part, x

    plain = rows()
    source = Stopping(plain.inputs, plain.targets, plain.transform)
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path).source(network(), source, predictor(8))
    assert only(tmp_path).passed() == 16
    assert not only(tmp_path).is_whole
    found = store(tmp_path).source(network(), source, predictor(8))
    assert seen == [*range(24), *range(16, ROWS)]
    torch.testing.assert_close(values(found), values(InMemory().source(network(), rows(), predictor())))


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import test_memmap as ours
from calrun.feature_store.keep import passed
passed.MARK_SECONDS = -1.0
class Slow(ours.Resident):
    def batches(self, chosen, batch_size):
        for part, x in super().batches(chosen, batch_size):
            time.sleep(0.1)
            yield part, x
plain = ours.rows()
slow = Slow(plain.inputs, plain.targets, plain.transform)
ours.store(Path(sys.argv[1])).source(ours.network(), slow, ours.predictor(4))
"""


def test_after_a_kill_the_next_process_takes_over_where_the_pass_was(tmp_path: Path) -> None:
    words = [sys.executable, "-c", SLOW.format(here=str(Path(__file__).parent)), str(tmp_path)]
    process = subprocess.Popen(words, cwd=Path.cwd())
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(kept.passed() >= 4 for kept in all_kept(tmp_path)):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = only(tmp_path)
    assert 0 < kept.passed() < ROWS
    assert not kept.is_whole
    assert store(tmp_path).missing(network(), rows(), predictor()) == ROWS - kept.passed()
    found = store(tmp_path).source(network(), rows(), predictor())
    torch.testing.assert_close(values(found), values(InMemory().source(network(), rows(), predictor())))


def _hold(path: str, ready: "multiprocessing.synchronize.Event", seconds: float) -> None:
    with locked(Path(path), lambda: None):
        ready.set()
        time.sleep(seconds)


def test_a_second_process_waits_until_the_first_is_done(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, lock = context.Event(), tmp_path / ".lock"
    holder = context.Process(target=_hold, args=(str(lock), ready, 0.6))
    holder.start()
    assert ready.wait(30)
    waits: list[int] = []
    with locked(lock, lambda: waits.append(1)):
        assert holder.exitcode is not None or not holder.is_alive() or waits
    holder.join()
    assert waits


def test_the_lock_of_a_dead_process_is_gone(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, lock = context.Event(), tmp_path / ".lock"
    holder = context.Process(target=_hold, args=(str(lock), ready, 600.0))
    holder.start()
    assert ready.wait(30)
    holder.kill()
    holder.join()
    with locked(lock, lambda: None):
        pass


def spoil(kept: Kept, how: str) -> None:
    said = json.loads(kept.sidecar.read_text())
    if how == "truncated":
        os.truncate(kept.path, kept.path.stat().st_size - 20)
    elif how == "empty":
        os.truncate(kept.path, 0)
    elif how == "shape":
        np.save(kept.path, np.zeros((ROWS, WIDTH + 1), dtype=np.float32))
    elif how == "missing":
        kept.sidecar.unlink()
    elif how == "damaged":
        kept.sidecar.write_text("{")
    else:
        kept.sidecar.write_text(json.dumps(said | {how: said[how] + 1 if how == "width" else "other"}))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("weights", "other weights than its name stands for"),
        ("data", "other rows than its name"),
        ("transform", "other transform than its name"),
        ("width", f"holds {WIDTH + 1} features a row, but the backbone of the same weights now gives {WIDTH}"),
        ("truncated", "is truncated or damaged"),
        ("empty", "is truncated or damaged"),
        ("shape", "says"),
        ("missing", "nobody knows what it is"),
        ("damaged", "is damaged"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused_with_the_remedy(tmp_path: Path, how: str, said: str) -> None:
    store(tmp_path).source(network(), rows(), predictor())
    kept = only(tmp_path)
    spoil(kept, how)
    with pytest.raises(ValueError, match=said) as refused:
        store(tmp_path).source(network(), rows(), predictor())
    assert f"calrun features remove {kept.id}" in str(refused.value)


def test_features_that_are_not_finite_are_refused_with_their_rows(tmp_path: Path) -> None:
    source = rows()
    source.inputs[[3, 9]] = torch.nan
    with pytest.raises(ValueError, match=r"not finite on 2 of 16 rows \(first: \[3, 9\]\)"):
        store(tmp_path).source(network(), source, predictor())
    assert not [*tmp_path.iterdir()]


def test_features_beyond_half_precision_are_refused_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"float16 cannot hold .*feature_store\.dtype=float32"):
        store(tmp_path, dtype="float16").source(network(scale=1e6), rows(), predictor())
    assert not [*tmp_path.iterdir()]  # it would be refused again


class Narrow(Classifier):
    """Says that its features are others than those that its head takes."""

    def forward(self, x: torch.Tensor) -> Output:
        output = super().forward(x)
        return output._replace(features_BD=output.features_BD[:, 1:])


def test_features_of_another_width_than_the_head_takes_are_refused(tmp_path: Path) -> None:
    net = Narrow(network().backbone, WIDTH, 3)
    with pytest.raises(ValueError, match=r"features of shape \(4,\) for a row, but its head takes 5"):
        store(tmp_path).source(net, rows(), predictor())
