"""What Beck et al. 2021 say of seconds: which selections are slow, and whether training or selecting takes longer."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from calrun.report.draw.style import style_of
from calrun.report.table.tables import ratio_text
from calrun.report.verdict.claims import Claim, yes_no

FASTER, ALIKE, SLOWER = "faster", "within 2 times", "slower"
FACTOR = 2.0  # seconds of two machines that differ by less say nothing
SLOW = ("bald", "batch_bald", "deepfool")
RESET, UPDATE, SELECTION = "training, reset", "training, update", "selection"
BADGE, ENTROPY = "badge", "entropy"
TIMES_FASTER = 10.0  # the text says 20; the table's own sums give 18.8


def pace(ours: float, theirs: float) -> str | None:
    """Returns the verdict on seconds of another machine; `None` if we have none."""
    if np.isnan(ours):
        return None
    if ours * FACTOR < theirs:
        return FASTER
    return SLOWER if ours > theirs * FACTOR else ALIKE


def selection_claims(cells: pd.DataFrame, least: float = 0.0) -> list[Claim]:
    """Returns App. B.2's claim on Table 12: three acquisitions take much longer to select than all others."""
    seconds = cells.dropna(subset=["mean"]).set_index("method")["mean"]
    slow, others = seconds[seconds.index.isin(SLOW)], seconds[~seconds.index.isin(SLOW)]
    text = "BALD, BatchBALD and adversarial DeepFool select more slowly than all others"
    if len(slow) < len(SLOW) or others.empty:
        return [Claim(text, "open", "not run")]
    least_slow, slowest = str(slow.idxmin()), str(others.idxmax())
    because = f"{labelled(least_slow, slow)}, {labelled(slowest, others)}"
    return [Claim(text, yes_no(slow.min() > others.max()), because)]


def labelled(name: str, seconds: "pd.Series[float]") -> str:
    return f"{style_of(name).label} {seconds[name]:.3g} s"


def round_claims(cells: pd.DataFrame, least: float = 0.0) -> list[Claim]:
    """Returns Sec. 4.8's claims on Table 13, from sums over the rounds; open where a round is missing."""
    sums = {
        (str(part), str(acquisition)): float(own["mean"].sum(skipna=False))
        for (part, acquisition), own in cells.groupby(["test_set", "method"])
    }
    return [training_claim(sums), entropy_claim(sums), update_claim(sums)]


def training_claim(sums: Mapping[tuple[str, str], float]) -> Claim:
    return compared(
        "training takes longer than selecting, with BADGE and with entropy",
        [(sums.get((RESET, own), np.nan), sums.get((SELECTION, own), np.nan), 1.0, own) for own in (BADGE, ENTROPY)],
        "{own}: {first} s of training, {second} s of selecting",
    )


def entropy_claim(sums: Mapping[tuple[str, str], float]) -> Claim:
    slow, fast = (sums.get((SELECTION, own), np.nan) for own in (BADGE, ENTROPY))
    return compared(
        f"entropy selects at least {TIMES_FASTER:.0f} times faster than BADGE",
        [(slow, fast, TIMES_FASTER, BADGE)],
        "{ratio}x: {first} s against {second} s",
    )


def update_claim(sums: Mapping[tuple[str, str], float]) -> Claim:
    return compared(
        "updating the network saves training time over resetting it, but less than a tenth",
        [(sums.get((RESET, own), np.nan), sums.get((UPDATE, own), np.nan), 1.0, own) for own in (BADGE, ENTROPY)],
        "{own}: {ratio}x",
        digits=2,
        most=1.1,
    )


def said(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def compared(
    text: str,
    pairs: Sequence[tuple[float, float, float, str]],
    form: str,
    most: float = float("inf"),
    digits: int = 1,
) -> Claim:
    """Returns whether in all pairs the first number is more than `least` times the second, and at most `most` times.

    Args:
        text: the claim.
        pairs: (first, second, least, acquisition).
        form: how a pair is shown, from first, second, ratio and own.
        most: the largest ratio that bears out the claim.
        digits: decimals of the ratio.
    """
    if any(np.isnan(first) or np.isnan(second) for first, second, *_ in pairs):
        return Claim(text, "open", "not run in all rounds")
    ratios = [first / second for first, second, *_ in pairs]
    shown = [
        form.format(first=said(first), second=said(second), ratio=ratio_text(ratio, digits), own=style_of(own).label)
        for (first, second, _, own), ratio in zip(pairs, ratios, strict=True)
    ]
    holds = all(least < ratio <= most for ratio, (_, _, least, _) in zip(ratios, pairs, strict=True))
    return Claim(text, yes_no(holds), "; ".join(shown))
