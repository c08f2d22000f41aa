"""One look for all tables and figures: order, printed name, colour, marker and dash of every method and acquisition.

Colours are Okabe and Ito's (2008) and Tol's (2021) for colour-blind readers; marker and dash tell lines apart too.
"""

from dataclasses import dataclass, replace
from zlib import crc32


@dataclass(frozen=True)
class Look:
    """How one method or acquisition is drawn; dash is matplotlib's and SVG's on-off pattern, () for a solid line."""

    label: str
    colour: str
    marker: str
    dash: tuple[float, ...] = ()

    @property
    def ink(self) -> str:
        """The colour for text, darkened until it reads on white (contrast 4.5, WCAG 2.1)."""
        channels = [int(self.colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        while 1.05 / (luminance(channels) + 0.05) < 4.5:
            channels = [0.95 * channel for channel in channels]
        return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)

    def variant(self, number: int) -> "Look":
        """Returns the look of one of several variants: the same colour, a marker and dash of its own (up to 30)."""
        markers, dashes = VARIANT_MARKERS, VARIANT_DASHES
        return replace(self, marker=markers[number % len(markers)], dash=dashes[number % len(dashes)])


LOOKS = {
    "cal_er": Look("CAL-ER", "#0072B2", "o"),
    "cal_mir": Look("CAL-MIR", "#56B4E9", "s", (5, 2)),
    "cal_der": Look("CAL-DER", "#009E73", "^"),
    "cal_sd": Look("CAL-SD", "#E69F00", "D", (5, 2)),
    "cal_sds2": Look("CAL-SDS2", "#D55E00", "v"),
    "shrink_perturb": Look("Shrink-perturb", "#882255", "P", (1, 1.5)),
    "finetune_new": Look("Fine-tune on new", "#CC79A7", "X", (1, 1.5)),
    "finetune": Look("FT", "#AA4499", "8"),
    "linear_probe": Look("LP", "#DDAA33", "h", (5, 2)),
    "lp_ft": Look("LP-FT", "#661100", "d"),
    "svpp": Look("SVPp", "#117733", "<", (1, 1.5)),
    "asvp": Look("ASVP", "#332288", ">"),
    "al_ws": Look("AL w/ WS", "#777777", "p", (5, 2)),
    "al": Look("AL", "#000000", "o", (1, 1.5)),
    "entropy": Look("entropy", "#0072B2", "o"),
    "least_confidence": Look("least confidence", "#56B4E9", "s", (5, 2)),
    "margin": Look("margin", "#009E73", "^"),
    "badge": Look("BADGE", "#E69F00", "D"),
    "coreset": Look("CoreSet", "#D55E00", "v", (5, 2)),
    "fass": Look("FASS", "#CC79A7", "X"),
    "glister": Look("GLISTER", "#882255", "P", (5, 2)),
    "base_balanced": Look("BASE", "#332288", ">"),
    "bald": Look("BALD", "#0072B2", "s", (1, 1.5)),
    "batch_bald": Look("BatchBALD", "#0072B2", "D", (8, 2, 1, 2)),
    "mase": Look("MASE", "#117733", "^"),
    "deepfool": Look("DeepFool", "#117733", "v", (5, 2)),
    "cluster_margin": Look("Cluster-Margin", "#009E73", "<", (5, 2)),
    "badge_pooled": Look("BADGE, pooled", "#E69F00", "d", (5, 2)),
    "partitioned_badge": Look("BADGE, partitioned", "#E69F00", "s", (1, 1.5)),
    "partitioned_badge_pooled": Look("BADGE, partitioned, pooled", "#E69F00", "h", (8, 2, 1, 2)),
    "partitioned_coreset": Look("CoreSet, partitioned", "#D55E00", "<", (1, 1.5)),
    "kmeans": Look("k-means", "#D55E00", "o"),
    "facility_location": Look("facility location", "#CC79A7", "P", (1, 1.5)),
    "dispersion_min": Look("dispersion-min", "#CC79A7", "d", (5, 2)),
    "vaal": Look("VAAL", "#882255", "h"),
    "typiclust": Look("TypiClust", "#661100", "8"),
    "probcover": Look("ProbCover", "#661100", "H", (5, 2)),
    "balancing": Look("balancing sampler", "#332288", "<", (5, 2)),
    "balanced_random": Look("balanced random", "#777777", "P", (5, 2)),
    "random": Look("random", "#777777", "p", (1, 1.5)),
}
VARIANT_MARKERS = "oDsv^P"
VARIANT_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1, 1.5), (8, 2, 1, 2), (2, 4))
SPARE_COLOURS = ("#44AA99", "#999933", "#6699CC", "#AA3377", "#8C564B", "#225522")
SPARE_MARKERS = "<>phdH8"
ORDER = {name: place for place, name in enumerate(LOOKS)}


def luminance(channels: list[float]) -> float:
    """Returns the relative luminance of an sRGB colour (WCAG 2.1)."""
    linear = [channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def look_of(name: str) -> Look:
    """Returns the look of a method or acquisition; an unknown name gets one that depends on the name alone."""
    if name in LOOKS:
        return LOOKS[name]
    number = crc32(name.encode())
    colour = SPARE_COLOURS[number % len(SPARE_COLOURS)]
    return Look(name, colour, SPARE_MARKERS[number // 7 % len(SPARE_MARKERS)], (3.0, 1.0 + number % 3))


def place_of(name: str) -> tuple[int, str]:
    """Returns a sort key: the papers' order (methods under test first, baselines last), unknown names in between."""
    return (ORDER.get(name, ORDER["shrink_perturb"]), name)
