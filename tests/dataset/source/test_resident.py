import numpy as np
import pytest
import torch

import calrun.dataset.source.checksum as checksum
import calrun.dataset.source.resident as resident
from calrun.dataset.base import Shot, StepRows
from calrun.dataset.source.resident import Resident, resident_dataset
from calrun.dataset.source.transform import Transform

PLAIN = {"mean": [0.0], "std": [1.0]}
NOTHING = np.empty(0, np.int64)


def numbered(rows: int = 100, **augmentation: object) -> Resident:
    """Row i is a 4x4 picture of value i / 1000: x says which row it is."""
    inputs = (torch.arange(rows) / 1000).view(-1, 1, 1, 1).expand(rows, 1, 4, 4)
    return Resident(inputs, np.zeros(rows, np.int64), Transform(**PLAIN, **augmentation), steps_per_block=4)


def planned(sizes: list[tuple[int, int]]) -> list[StepRows]:
    rng = np.random.default_rng(0)
    return [StepRows(rng.choice(100, m, replace=False), rng.choice(100, r, replace=False)) for m, r in sizes]


def played(source: Resident, steps: list[StepRows], seed: int = 0) -> list[tuple[Shot, Shot | None]]:
    return [pair for block in source.blocks(steps, seed) for pair in block.to(torch.device("cpu"))]


def test_every_step_gets_its_own_rows_in_order_with_their_pictures() -> None:
    steps = planned([(5, 7)] * 9 + [(3, 7)])
    for step, (current, replay) in zip(steps, played(numbered(), steps), strict=True):
        assert replay is not None
        np.testing.assert_array_equal(current.rows.numpy(), step.current)
        np.testing.assert_array_equal(replay.rows.numpy(), step.replay)
        np.testing.assert_allclose(current.x[:, 0, 0, 0].numpy() * 1000, step.current, rtol=1e-5)
        np.testing.assert_allclose(replay.x[:, 0, 3, 3].numpy() * 1000, step.replay, rtol=1e-5)


def test_no_replayed_rows_is_no_replay() -> None:
    steps = [StepRows(np.arange(3), NOTHING)]
    assert played(numbered(), steps)[0][1] is None


def test_blocks_hold_equal_steps_and_a_partial_batch_stands_alone() -> None:
    blocks = list(numbered().blocks(planned([(5, 0)] * 6 + [(2, 0)]), seed=0))
    assert [tuple(block.rows_KB.shape) for block in blocks] == [(4, 5), (2, 5), (1, 2)]


def test_gathering_in_smaller_parts_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = planned([(5, 3)] * 8)
    together = played(numbered(), steps)
    monkeypatch.setattr(resident, "CHUNK_BYTES", 1)
    apart = played(numbered(), steps)
    for (one, _), (other, _) in zip(together, apart, strict=True):
        torch.testing.assert_close(one.x, other.x)


def test_the_seed_alone_decides_the_augmentation() -> None:
    source, steps = numbered(crop_padding=1, flip=True), planned([(20, 10)] * 6)
    torch.manual_seed(1)
    first = played(source, steps, seed=3)
    torch.manual_seed(2)
    again, other = played(source, steps, seed=3), played(source, steps, seed=4)
    assert all(torch.equal(one.x, two.x) for (one, _), (two, _) in zip(first, again, strict=True))
    assert not all(torch.equal(one.x, two.x) for (one, _), (two, _) in zip(first, other, strict=True))


def test_blocks_of_one_epoch_are_augmented_differently() -> None:
    source = numbered(crop_padding=1)
    steps = [StepRows(np.full(50, 7), NOTHING)] * 8
    pairs = played(source, steps)
    assert not torch.equal(pairs[0][0].x, pairs[4][0].x)  # first steps of the two blocks


def test_evaluation_batches_are_plain_and_in_order() -> None:
    rows = np.array([9, 3, 3, 50, 0])
    batches = list(numbered(crop_padding=1, flip=True).batches(rows, batch_size=2))
    assert [chunk.tolist() for chunk, _ in batches] == [[9, 3], [3, 50], [0]]
    x = torch.cat([x for _, x in batches])
    torch.testing.assert_close(x, torch.tensor(rows / 1000).float().view(-1, 1, 1, 1).expand(5, 1, 4, 4))


@pytest.mark.parametrize(("most_bytes", "seen"), [(2**28, [1, 60, 99]), (64 * 50, [60, 98]), (64, [0])])
def test_the_checksum_looks_at_rows_up_to_the_end(
    most_bytes: int, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksum, "CHECKED_BYTES", most_bytes)
    before = numbered().checksum(0)
    for row in seen:
        source = numbered()
        source.inputs[row] += 1
        assert source.checksum(0) != before


def test_items_are_named_by_their_row_unless_they_have_names() -> None:
    assert numbered().item_id(12) == "12"
    named = Resident(torch.zeros(2, 1), np.zeros(2, np.int64), Transform(**PLAIN), ["a.png", "b.png"])
    assert named.item_id(1) == "b.png"


def splits(**changed: tuple[torch.Tensor, np.ndarray]) -> dict[str, tuple[torch.Tensor, np.ndarray]]:
    good = {name: (torch.rand(6, 2), np.array([0, 1, 2, 0, 1, 2])) for name in ("train", "test")}
    return {**good, **changed}


def test_a_data_set_of_tensors_knows_its_shape_and_splits() -> None:
    dataset = resident_dataset(splits(val=(torch.rand(1, 2), np.array([1]))), ["a", "b", "c"], Transform(None, None))
    assert (dataset.num_classes, dataset.input_shape, list(dataset.tests)) == (3, (2,), ["test"])
    assert dataset.val is not None
    assert len(dataset.val) == 1
    x = torch.cat([x for _, x in dataset.train.batches(np.arange(6), 4)])
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-6, rtol=0)


def bad_values() -> torch.Tensor:
    inputs = torch.rand(6, 2)
    inputs[4, 1], inputs[2, 0] = torch.nan, torch.inf
    return inputs


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": (bad_values(), np.zeros(6, int))}, r"train has NaN or .* in 2 of 6 rows \(first: \[2, 4\]\)"),
        ({"test": (bad_values(), np.zeros(6, int))}, "test has NaN"),
        ({"test": (torch.rand(2, 2), np.array([0, 3]))}, r"1 labels outside 0\.\.2 \(first: rows \[1\] with \[3\]"),
        ({"train": (torch.rand(2, 2), np.array([0, -2]))}, "outside"),
        ({"train": (torch.rand(4, 2), np.array([0, 2, 0, 2]))}, r"1 of them have no training row \(first: \[1\]\)"),
        ({"test": (torch.rand(5, 2), np.zeros(6, int))}, "5 inputs but 6 labels"),
        ({"test": (torch.rand(6, 3), np.zeros(6, int))}, r"shape \(3,\), but train has \(2,\)"),
        ({"test": (torch.rand(6, 2), np.zeros(6))}, "labels must be integers"),
        ({"test": (torch.rand(6, 2), np.zeros((6, 2), int))}, "one class number per row"),
        ({"test": (torch.rand(0, 2), np.zeros(0, int))}, "test has no rows"),
    ],
)  # fmt: skip
def test_faulty_splits_are_refused_with_the_rows_at_fault(changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resident_dataset(splits(**changed), ["a", "b", "c"], Transform(None, None))


@pytest.mark.gpu
def test_nothing_waits_for_the_device_inside_an_epoch() -> None:
    device = torch.device("cuda", 0)
    source, steps = numbered(crop_padding=1, flip=True), planned([(5, 7)] * 9)
    source.to(device)
    played_on = [list(block.to(device)) for block in source.blocks(steps, 0)]  # allocates
    torch.cuda.set_sync_debug_mode("error")
    try:
        played_on = [list(block.to(device)) for block in source.blocks(steps, 0)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    current, _ = played_on[0][0]
    assert current.x.device == device
    np.testing.assert_array_equal(current.rows.cpu().numpy(), steps[0].current)
