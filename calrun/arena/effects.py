"""One mixed model over all data sets of a budget: difference to the baseline ~ method + (1 | set) + (1 | set : seed).

Its effects and intervals hold on these sets: a handful of them is no sample of all data sets.
"""

import warnings

import numpy as np
import pandas as pd

BASELINE = "random"


def effects(cells: pd.DataFrame, baseline: str = BASELINE) -> tuple[pd.DataFrame, str]:
    """Returns each acquisition's effect with its 95 % interval, and why there is none if it is empty.

    Args:
        cells: set, acquisition, seed and value of one budget, complete.
        baseline: what differences are taken to.

    Returns:
        acquisition, effect, low and high in points; and a sentence.
    """
    nothing = pd.DataFrame(columns=["acquisition", "effect", "low", "high"])
    wide = cells.pivot(index=["set", "seed"], columns="acquisition", values="value").dropna()
    if baseline not in wide or len(wide.columns) < 3 or wide.index.get_level_values("set").nunique() < 2:
        return nothing, "a mixed model wants two data sets and two acquisitions besides the baseline"
    differences = wide.drop(columns=baseline).sub(wide[baseline], axis=0)
    long = differences.reset_index().melt(id_vars=["set", "seed"], var_name="acquisition")
    try:
        return fitted(long), ""
    except (ValueError, np.linalg.LinAlgError) as error:
        return nothing, f"the mixed model does not converge ({' '.join(str(error).split())[:120]})"


def fitted(long: pd.DataFrame) -> pd.DataFrame:
    """Returns the effects of the model on rows of set, seed, acquisition and value.

    Raises:
        ValueError: if the fit does not converge.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    names = sorted(long["acquisition"].unique())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variance at its bound of 0, which is an answer
        model = MixedLM.from_formula(
            "value ~ 0 + C(acquisition)", long, groups="set", re_formula="1", vc_formula={"seed": "0 + C(seed)"}
        )
        result = model.fit(method=["lbfgs", "powell"])
    bounds = result.conf_int().to_numpy(float)[: len(names)]
    effect = result.fe_params.to_numpy(float)
    if not np.isfinite(bounds).all():
        raise ValueError("its intervals are not finite")
    return pd.DataFrame({"acquisition": names, "effect": effect, "low": bounds[:, 0], "high": bounds[:, 1]})
