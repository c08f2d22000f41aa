"""Where to write names so that they do not overlap: along one axis, and beside points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# Offsets from the marker in points, and alignments of the text; the most wanted place comes first.
PLACES = (
    (7, 0, "left", "center"),
    (-7, 0, "right", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (6, 6, "left", "bottom"),
    (6, -6, "left", "top"),
    (-6, 6, "right", "bottom"),
    (-6, -6, "right", "top"),
    (14, 14, "left", "bottom"),
    (14, -14, "left", "top"),
    (-14, 14, "right", "bottom"),
    (-14, -14, "right", "top"),
)
NEAR = 7  # distance in points beyond which a line joins a name to its marker


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Returns positions near `wanted`, in the same order, at least `gap` apart, with the least sum of squared moves.

    Pool-adjacent-violators on wanted - rank * gap, which must be non-decreasing.
    """
    order = np.argsort(wanted, kind="stable")
    blocks: list[list[float]] = []  # [mean, size] of pooled neighbours
    for rank, index in enumerate(order):
        blocks.append([wanted[index] - rank * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, size = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * size) / (before[1] + size)
            before[1] += size
    flat = [mean for mean, size in blocks for _ in range(int(size))]
    positions = [0.0] * len(flat)
    for rank, index in enumerate(order):
        positions[index] = flat[rank] + rank * gap
    return positions


def within(positions: Sequence[float], gap: float) -> list[float]:
    """Returns `positions` moved into 0 to 1, at least `gap` apart as before; there must be room for all of them."""
    order = np.argsort(positions, kind="stable")
    moved = list(positions)
    floor = 0.0
    for index in order:
        moved[index] = max(moved[index], floor)
        floor = moved[index] + gap
    ceiling = 1.0
    for index in order[::-1]:
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return moved


def place_labels(axes: Axes, points_N2: np.ndarray, names: Sequence[tuple[str, str]]) -> None:
    """Writes each (name, colour) beside its point, where it hides least of markers, other names and the frame."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()  # lays it out, so that pixels are known
    pixels_N2 = axes.transData.transform(points_N2)
    size = 5 * figure.dpi / 72
    taken = [Bbox.from_bounds(x - size, y - size, 2 * size, 2 * size) for x, y in pixels_N2]
    for index, ((name, colour), (x, y)) in enumerate(zip(names, points_N2, strict=True)):
        best = None
        for dx, dy, ha, va in PLACES:
            text = axes.annotate(
                name, (x, y), (dx, dy), textcoords="offset points", color=colour, ha=ha, va=va, fontsize=8
            )
            box = text.get_window_extent()
            others = [other for place, other in enumerate(taken) if place != index]
            hidden = sum(overlap(box, other) for other in others) + outside(box, axes.get_window_extent())
            if best is None or hidden < best[0]:
                if best is not None:
                    best[1].remove()
                best = (hidden, text, box, (dx, dy))
            else:
                text.remove()
            if hidden == 0:
                break
        assert best is not None
        taken.append(best[2])
        if max(map(abs, best[3])) > NEAR:
            line = {"arrowstyle": "-", "lw": 0.5, "alpha": 0.6, "color": colour, "shrinkA": 0, "shrinkB": 3}
            axes.annotate("", (x, y), best[3], textcoords="offset points", arrowprops=line)


def overlap(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return float(common.width * common.height) if common is not None else 0.0


def outside(box: Bbox, frame: Bbox) -> float:
    return float(box.width * box.height) - overlap(box, frame)
