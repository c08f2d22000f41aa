"""Where a proxy and the fine-tuned network choose differently. Wen et al. 2024, Sec. 4.1 and Fig. 4.

Which of them is right wants the true labels of the pool: an analysis, for no choice that is to be used.

Dimension key: N rows of the pool.
"""

import numpy as np

MISSED = ("A1", "A2", "B1", "B2")  # what only the fine-tuned network chooses
ADDED = ("C", "D")  # what only the proxy chooses
NAMES = ("O", *MISSED, *ADDED)


def regions(
    full_chosen: np.ndarray, proxy_chosen: np.ndarray, full_right: np.ndarray, proxy_right: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the rows of each region of two choices of one size, made by the same rule: O, A1, A2, B1, B2, C, D.

    O is chosen by both. Of what only the fine-tuned network chooses, it is right about A and wrong about B (the sheet's
    reading of Fig. 4), and the proxy is wrong about A1 and B1 and right about A2 and B2. Of what only the proxy
    chooses, the fine-tuned network is right about C and wrong about D.

    Args:
        full_chosen: rows that the fine-tuned network chooses.
        proxy_chosen: rows that the proxy chooses.
        full_right: whether the fine-tuned network is right, for each row of the pool (N,).
        proxy_right: likewise for the proxy (N,).
    """
    only_full, only_proxy = np.setdiff1d(full_chosen, proxy_chosen), np.setdiff1d(proxy_chosen, full_chosen)
    right, seen = full_right[only_full], proxy_right[only_full]
    return {
        "O": np.intersect1d(full_chosen, proxy_chosen),
        "A1": only_full[right & ~seen],
        "A2": only_full[right & seen],
        "B1": only_full[~right & ~seen],
        "B2": only_full[~right & seen],
        "C": only_proxy[full_right[only_proxy]],
        "D": only_proxy[~full_right[only_proxy]],
    }


def replaced_tail(chosen: np.ndarray, region: np.ndarray, share: float) -> np.ndarray:
    """Returns a choice, best first, whose last rows give way to the first of a region that it does not hold yet.

    Args:
        chosen: the proxy's rows, in its order.
        region: rows to put in, in the order in which they are wanted.
        share: of the choice, from 0 to 1; fewer rows give way where the region is too small.
    """
    new = region[~np.isin(region, chosen)][: round(share * len(chosen))]
    return np.concatenate([chosen[: len(chosen) - len(new)], new])
