"""The costs of the kernels that several acquisitions share, in the terms of `Cost`.

How often a lazy kernel has to look again depends on the rows; the constants below were found on clustered features, and
other rows may take several times as long. Factors of traffic count temporaries that leave the caches.

Dimension key: N rows, M centres, T leaders, R represented rows, F width of all factors together.
"""

from math import ceil, log

from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_BLOCK, MAX_CENTRES, feature_bytes
from calrun.acquisition.kernel.farthest_first import FEWEST_LEADERS, NUMBERS_OF_LEADERS, SHARE_OF_LEADERS
from calrun.acquisition.kernel.kmeans_plusplus import FIRST_BLOCK
from calrun.acquisition.kernel.kmeans_plusplus import MAX_BLOCK as MOST_DRAWS
from calrun.acquisition.kernel.lloyd import Effort
from calrun.acquisition.kernel.memory import shortage
from calrun.acquisition.kernel.similarity import STEP, TILE
from calrun.look.sizes import FLOAT, Sizes

CONVERTED = 3  # moves of a number: read, then written and read as a converted copy
PRODUCTS = {1: 4, 2: 12}  # numbers moved for each distance, by the number of factors
PICKS_PER_LEADER = 0.5  # share of the leaders of a farthest-first scan that are taken before the bound decides
COLD_SCANS, COLD_LEADERS = 4, 4  # without centres to start from: short scans, and the factor by which leaders grow
ACCEPTED = 0.96  # share of the k-means++ draws that are accepted
EVALUATIONS = 1.5  # gains that a lazy greedy selection evaluates, in multiples of N ln b
GAIN_TRAFFIC = 12  # numbers that move for each similarity of a gain


def chunks(bytes_per_row: int, memory_gib: float | None, sizes: Sizes) -> Cost:
    """Returns the refusal of a kernel whose rows take this many bytes each, if the limit is too small for them."""
    return Cost(refusal=shortage(bytes_per_row, memory_gib, sizes.device))


def feature_chunks(num_features: int, memory_gib: float | None, sizes: Sizes) -> Cost:
    """Returns the same for a kernel that computes distances between features."""
    return chunks(feature_bytes(num_features), memory_gib, sizes)


def ready(num_rows: int, width: int, limit: float) -> float:
    """Returns the bytes of points that are converted once; 0 if they do not fit the limit and none are kept."""
    num_bytes = FLOAT * num_rows * width
    return num_bytes if num_bytes <= limit else 0.0


def points(num_rows: int, width: int) -> Cost:
    """Returns the cost of the norms of points, and of keeping them with the distances to come."""
    block = min(num_rows, MAX_BLOCK) * CONVERTED * width
    traffic = 2 * CONVERTED * num_rows * width
    calls = 6 * ceil(num_rows / MAX_BLOCK)
    return Cost(2.0 * num_rows * width, FLOAT * traffic, FLOAT * (block + 2 * num_rows), calls=calls)


def fold(num_rows: int, num_centres: int, width: int, num_factors: int = 1) -> Cost:
    """Returns the cost of the distances of all points to some centres, of which each point keeps only the least."""
    reads = CONVERTED * num_rows * width * ceil(num_centres / MAX_BLOCK)
    pairs = num_rows * num_centres
    blocks = ceil(num_rows / MAX_BLOCK) * ceil(num_centres / MAX_CENTRES)
    products = min(num_rows, MAX_BLOCK) * (width + min(num_centres, MAX_CENTRES) * num_factors)
    traffic = FLOAT * (reads + PRODUCTS[num_factors] * pairs)
    return Cost(2.0 * pairs * (width + 1), traffic, FLOAT * products, calls=10 * blocks)


def farthest_first(num_rows: int, width: int, budget: int, cold: bool) -> Cost:
    """Returns the cost of `farthest_first.farthest_first` after its start; `cold` means a start from one point."""
    if budget == 0:
        return Cost()
    first_leaders = max(FEWEST_LEADERS, min(num_rows // SHARE_OF_LEADERS, NUMBERS_OF_LEADERS // width))
    leaders = min(first_leaders * (COLD_LEADERS if cold else 1), num_rows)
    num_scans = ceil(budget / max(1.0, PICKS_PER_LEADER * leaders)) + (COLD_SCANS - 1) * cold
    scan = Cost(
        0, FLOAT * (12 * num_rows + 2 * leaders * width), FLOAT * (3 * leaders * width + 4 * num_rows), calls=30
    )
    pick = Cost(2.0 * leaders * width, FLOAT * leaders * (width + 8), calls=14)
    picks_of_scan = ceil(budget / num_scans)
    folded = fold(num_rows, picks_of_scan, width).times(num_scans - 1)
    return (scan.times(num_scans) + pick.times(budget) + folded).holding(FLOAT * num_rows)


def kmeans_plusplus(num_rows: int, width: int, budget: int, num_factors: int = 1, max_block: int = MOST_DRAWS) -> Cost:
    """Returns the cost of `kmeans_plusplus.kmeans_plusplus` after its start, if nearly all draws are accepted."""
    total, left, block = Cost(), budget, min(FIRST_BLOCK, max_block)
    while left > 0:
        draws = min(block, left)
        left -= ceil(ACCEPTED * draws)
        within = Cost(2.0 * draws**2 * width, FLOAT * draws**2 * 8, 16.0 * draws**2, calls=20 + draws)
        cumulative = Cost(num_rows, 24.0 * num_rows, 8.0 * num_rows)
        total += within + cumulative + (fold(num_rows, draws, width, num_factors) if left else Cost())
        block = min(2 * block, max_block)
    return total


def lloyd(num_rows: int, width: int, num_clusters: int, effort: Effort) -> Cost:
    """Returns the cost of k-means with its seedings and all the iterations that it may take."""
    pairs = num_rows * num_clusters
    assign = Cost(2.0 * pairs * (width + 1), FLOAT * (CONVERTED * num_rows * width + 3 * pairs), FLOAT * (1 << 21))
    update = Cost(num_rows * width, 32.0 * num_rows * width, 16.0 * (num_clusters + MAX_BLOCK) * width)
    kept = 16.0 * num_rows + FLOAT * num_clusters * width
    rounds = (assign + update).times(effort.max_iter) + assign
    if (trials := effort.trials(num_clusters)) > 1:
        seeding = (fold(num_rows, trials, width) + fold(num_rows, 1, width)).times(num_clusters)
    else:
        seeding = kmeans_plusplus(num_rows, width, num_clusters)
    return (seeding + rounds).times(effort.num_init).holding(kept)


def facility_location(
    num_rows: int, represented: int, width: int, budget: int, limit: float, functions: int = 0
) -> Cost:
    """Returns the cost of the similarities and of the lazy greedy selection.

    Args:
        num_rows: N.
        represented: R.
        width: F.
        budget: rows to choose.
        limit: bytes up to which the matrix of similarities is kept.
        functions: exponentials of one similarity.
    """
    pairs = float(num_rows * represented)
    symmetric = num_rows == represented
    product = Cost((1 if symmetric else 2) * pairs * width, 5 * FLOAT * pairs, functions=functions * pairs, calls=20)
    row = Cost(5.0 * represented, GAIN_TRAFFIC * FLOAT * represented)
    kept = FLOAT * pairs <= limit
    if not kept:
        product = Cost(2.0 * pairs * width, 4 * FLOAT * pairs, functions=functions * pairs)
        row += Cost(2.0 * represented * width, FLOAT * represented * width / 16, functions=functions * represented)
    normalised = ceil(num_rows / TILE) * num_rows / 2 + num_rows if kept else num_rows  # rows, some of them repeatedly
    prepared = Cost(4.0 * normalised * width, 4 * FLOAT * normalised * width, 2 * FLOAT * TILE * width)
    evaluated = EVALUATIONS * num_rows * log(budget + 1)
    picks = row.times(evaluated) + Cost(0, 32.0 * num_rows, calls=60).times(budget)
    block = FLOAT * (STEP + TILE) * (width + STEP) if kept else 2 * FLOAT * min(num_rows, 1024) * represented
    held = FLOAT * pairs if kept else ready(num_rows, width, limit)
    held += min(block, limit)
    return (prepared + product + Cost(pairs, FLOAT * pairs) + picks).holding(held)
