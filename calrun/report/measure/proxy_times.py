"""What selection via proxy costs in time. Wen et al. 2024, Table 7: seconds of the device, without labelling.

The seconds of a run's rounds are in its lines: `train_full`, `train_proxy` and `precompute` where a proxy selects,
`fit` otherwise, and `score` the pass over the candidates. What trains the full network only to evaluate it is no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Seconds:
    """Mean seconds of one round, or of one pass over the pool.

    Args:
        train: of training the network that selects.
        forward: of its pass over the candidates.
    """

    train: float
    forward: float


def full_time(rounds: int, full: Seconds) -> float:
    """Returns T_full = N_al (T_tr,full + T_f,full)."""
    return rounds * (full.train + full.forward)


def svpp_time(rounds: int, proxy: Seconds, precompute: float) -> float:
    """Returns T_svpp = N_al (T_tr,proxy + T_f,proxy) + T_pre."""
    return rounds * (proxy.train + proxy.forward) + precompute


def asvp_time(rounds: int, proxy: Seconds, precompute: float, computed: int, train_full: float) -> float:
    """Returns T_asvp = N_al (T_tr,proxy + T_f,proxy) + N_pre T_pre + (N_pre - 1) T_tr,full.

    Args:
        rounds: N_al, rounds that select.
        proxy: of a round.
        precompute: T_pre, of one pass of the full network over the pool.
        computed: N_pre, how often the features were computed, the first time included.
        train_full: of training the full network once.
    """
    return rounds * (proxy.train + proxy.forward) + computed * precompute + (computed - 1) * train_full


def selection_seconds(lines: Sequence[dict[str, dict[str, float]]]) -> float:
    """Returns the seconds that a run's rounds have spent on selecting, as its lines say them.

    A run without a proxy trains the full network to select; one with a proxy trains it to select only where its
    features are computed anew.
    """
    total = 0.0
    for line in lines:
        seconds, notes = line["seconds"], line.get("notes") or {}
        total += seconds.get("score") or 0.0
        if "train_proxy" not in seconds:
            total += seconds["fit"] if seconds.get("score") is not None else 0.0  # the last round selects nothing
            continue
        total += seconds["train_proxy"] + seconds.get("precompute", 0.0)
        total += seconds.get("train_full", 0.0) if notes.get("feature_update") else 0.0
    return total
