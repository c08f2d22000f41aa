"""Seeds by (seed, round, purpose)."""

import numpy as np
import torch

from calrun.rng import numpy_rng, torch_rng, torch_seed


def test_the_same_key_gives_the_same_numbers() -> None:
    np.testing.assert_array_equal(
        numpy_rng(3, 2, "batch order", 7).random(5), numpy_rng(3, 2, "batch order", 7).random(5)
    )
    assert torch_seed(3, 2, "model") == torch_seed(3, 2, "model")


def test_every_part_of_the_key_counts() -> None:
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 0, "a", 1), (0, 0, "a", 2), (0, 0, "a", 0, 1)]
    first = {float(numpy_rng(*key).random()) for key in keys}  # type: ignore[arg-type]
    seeds = {torch_seed(*key) for key in keys}  # type: ignore[arg-type]
    assert len(first) == len(seeds) == len(keys)


def test_torch_seeds_are_accepted_by_torch() -> None:
    for number in range(50):
        assert 0 <= torch_seed(0, number, "model") < 2**63
        torch.Generator().manual_seed(torch_seed(0, number, "model"))


def test_a_torch_generator_follows_the_state_of_numpys() -> None:
    rng = np.random.default_rng(0)
    first, second = torch_rng(rng), torch_rng(rng)
    again = torch_rng(np.random.default_rng(0))
    assert torch.equal(torch.rand(4, generator=first), torch.rand(4, generator=again))
    assert first.initial_seed() != second.initial_seed()


def test_a_known_seed_never_changes() -> None:
    """Runs of older versions could not be continued otherwise."""
    assert torch_seed(0, 1, "model") == 1278974731614313104
