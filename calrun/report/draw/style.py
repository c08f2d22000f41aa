"""One look for all tables and figures: order, printed name, colour, marker and dash of every method and acquisition.

Those that the papers compare are listed; any other gets a look that follows from its name, and needs no entry here.
Colours are Okabe and Ito's (2008) and Tol's (2021) for colour-blind readers; marker and dash tell lines apart too.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from zlib import crc32


@dataclass(frozen=True)
class Style:
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

    def variant(self, number: int) -> "Style":
        """Returns the look of one of several variants: the same colour, a marker and dash of its own (up to 30)."""
        markers, dashes = VARIANT_MARKERS, VARIANT_DASHES
        return replace(self, marker=markers[number % len(markers)], dash=dashes[number % len(dashes)])


STYLES = {
    "cal_er": Style("CAL-ER", "#0072B2", "o"),
    "cal_mir": Style("CAL-MIR", "#56B4E9", "s", (5, 2)),
    "cal_der": Style("CAL-DER", "#009E73", "^"),
    "cal_sd": Style("CAL-SD", "#E69F00", "D", (5, 2)),
    "cal_sds2": Style("CAL-SDS2", "#D55E00", "v"),
    "shrink_perturb": Style("Shrink-perturb", "#882255", "P", (1, 1.5)),
    "finetune_new": Style("Fine-tune on new", "#CC79A7", "X", (1, 1.5)),
    "finetune": Style("FT", "#AA4499", "8"),
    "linear_probe": Style("LP", "#DDAA33", "h", (5, 2)),
    "lp_ft": Style("LP-FT", "#661100", "d"),
    "svpp": Style("SVPp", "#117733", "<", (1, 1.5)),
    "asvp": Style("ASVP", "#332288", ">"),
    "al_ws": Style("AL w/ WS", "#777777", "p", (5, 2)),
    "al": Style("AL", "#000000", "o", (1, 1.5)),
    "entropy": Style("entropy", "#0072B2", "o"),
    "least_confidence": Style("least confidence", "#56B4E9", "s", (5, 2)),
    "margin": Style("margin", "#009E73", "^"),
    "badge": Style("BADGE", "#E69F00", "D"),
    "coreset": Style("CoreSet", "#D55E00", "v", (5, 2)),
    "fass": Style("FASS", "#CC79A7", "X"),
    "glister": Style("GLISTER", "#882255", "P", (5, 2)),
    "base_balanced": Style("BASE", "#332288", ">"),
    "bald": Style("BALD", "#0072B2", "s", (1, 1.5)),
    "batch_bald": Style("BatchBALD", "#0072B2", "D", (8, 2, 1, 2)),
    "mase": Style("MASE", "#117733", "^"),
    "deepfool": Style("DeepFool", "#117733", "v", (5, 2)),
    "cluster_margin": Style("Cluster-Margin", "#009E73", "<", (5, 2)),
    "badge_pooled": Style("BADGE, pooled", "#E69F00", "d", (5, 2)),
    "partitioned_badge": Style("BADGE, partitioned", "#E69F00", "s", (1, 1.5)),
    "partitioned_badge_pooled": Style("BADGE, partitioned, pooled", "#E69F00", "h", (8, 2, 1, 2)),
    "partitioned_coreset": Style("CoreSet, partitioned", "#D55E00", "<", (1, 1.5)),
    "core_gcn": Style("CoreGCN", "#009E73", "P", (1, 1.5)),
    "uncertain_gcn": Style("UncertainGCN", "#009E73", "X", (8, 2, 1, 2)),
    "boosting": Style("Boosting", "#332288", "D", (1, 1.5)),
    "head_dropout": Style("Dropout", "#56B4E9", "v", (1, 1.5)),
    "subset_of": Style("subset of candidates", "#661100", "s", (1, 1.5)),
    "regions": Style("regions", "#AA3377", "D", (1, 1.5)),
    "kmeans": Style("k-means", "#D55E00", "o"),
    "facility_location": Style("facility location", "#CC79A7", "P", (1, 1.5)),
    "dispersion_min": Style("dispersion-min", "#CC79A7", "d", (5, 2)),
    "vaal": Style("VAAL", "#882255", "h"),
    "vaal_emam": Style("VAAL, crops", "#AA3377", "H", (5, 2)),
    "typiclust": Style("TypiClust", "#661100", "8"),
    "probcover": Style("ProbCover", "#661100", "H", (5, 2)),
    "mc_dropout": Style("MC-Dropout", "#56B4E9", "o"),
    "learning_loss": Style("Learning Loss", "#DDAA33", "s"),
    "tidal": Style("TiDAL", "#DDAA33", "^", (5, 2)),
    "tod": Style("TOD", "#AA4499", "D"),
    "disal_reconstructed": Style("DISAL (reconstructed)", "#AA4499", "v", (5, 2)),
    "tracin_full": Style("TracIn, full", "#777777", "h"),
    "tracin_last": Style("TracIn, last", "#777777", "H", (8, 2, 1, 2)),
    "activeft": Style("ActiveFT", "#44AA99", ">"),
    "activeft_pre": Style("ActiveFT (pre)", "#999933", "p"),
    "balancing": Style("balancing sampler", "#332288", "<", (5, 2)),
    "balanced_random": Style("balanced random", "#777777", "P", (5, 2)),
    "random": Style("random", "#777777", "p", (1, 1.5)),
}
VARIANT_MARKERS = "oDsv^P"
VARIANT_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1, 1.5), (8, 2, 1, 2), (2, 4))
SPARE_COLOURS = ("#44AA99", "#999933", "#6699CC", "#AA3377", "#8C564B", "#225522")
SPARE_DASHES: tuple[tuple[float, ...], ...] = ((3, 1), (3, 3), (6, 1, 1, 1), (10, 3), (2, 1, 6, 1))  # listed ones: none
SPARE_MARKERS = "<>phd"  # one for each dash
LISTED_COLOURS = tuple(dict.fromkeys(style.colour for style in STYLES.values()))
OTHER_COLOURS = tuple(colour for colour in LISTED_COLOURS if colour not in SPARE_COLOURS)
LOOKS = [  # the spare colours, then, for a figure that uses these up, the others
    (colour, marker, dash)
    for colours in (SPARE_COLOURS, OTHER_COLOURS)
    for marker, dash in zip(SPARE_MARKERS, SPARE_DASHES, strict=True)
    for colour in colours
]
NUM_SPARE = len(SPARE_COLOURS) * len(SPARE_DASHES)
ORDER = {name: place for place, name in enumerate(STYLES)}


def luminance(channels: list[float]) -> float:
    """Returns the relative luminance of an sRGB colour (WCAG 2.1)."""
    linear = [channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def style_of(name: str) -> Style:
    """Returns the look of a method or acquisition; an unlisted name gets one that depends on the name alone."""
    return STYLES.get(name) or Style(name, *LOOKS[first_look(name)])


def styles_together(names: Collection[str]) -> dict[str, Style]:
    """Returns the looks of the names of one figure, no two alike as long as there are enough of them.

    Each is `style_of` its name, but for an unlisted one whose colour has the same marker or dash as another's: of two
    unlisted ones, the later by name gives way.
    """
    found = {name: STYLES[name] for name in names if name in STYLES}
    for name in sorted({*names} - found.keys()):
        found[name] = free_style(name, found.values())
    return found


def free_style(name: str, taken: Collection[Style]) -> Style:
    """Returns the first look, from that of the name on, of which no taken one has the colour and the marker or dash."""
    marked, dashed = ({(style.colour, getattr(style, kind)) for style in taken} for kind in ("marker", "dash"))
    first = first_look(name)
    for colour, marker, dash in (*LOOKS[first:], *LOOKS[:first]):
        if (colour, marker) not in marked and (colour, dash) not in dashed:
            return Style(name, colour, marker, dash)
    return style_of(name)


def first_look(name: str) -> int:
    return crc32(name.encode()) % NUM_SPARE


def place_of(name: str) -> tuple[int, str]:
    """Returns a sort key: the papers' order (methods under test first, baselines last), unknown names in between."""
    return (ORDER.get(name, ORDER["shrink_perturb"]), name)
