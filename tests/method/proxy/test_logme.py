"""LogME against a direct maximisation of the marginal likelihood, and against the authors' code as it is printed.

Dimension key: L rows, D features.
"""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from calrun.method.proxy.logme import LogME

CONVERGED = 400


def toy(num_rows: int, width: int, seed: int = 0, num_classes: int = 3) -> tuple[Tensor, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets_L = np.r_[np.arange(num_classes), rng.integers(num_classes, size=num_rows - num_classes)]
    means = rng.normal(size=(num_classes, width))
    return torch.from_numpy(means[targets_L] + rng.normal(size=(num_rows, width))), targets_L


def direct(features_LD: np.ndarray, y_L: np.ndarray) -> float:
    """Maximises ln N(y | 0, I/beta + F F^T / alpha) / L over alpha and beta; it shares no algebra with the code."""

    def negative(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        cov = np.eye(len(y_L)) / beta + features_LD @ features_LD.T / alpha
        _, logdet = np.linalg.slogdet(cov)
        return float(logdet + y_L @ np.linalg.solve(cov, y_L) + len(y_L) * np.log(2 * np.pi)) / 2

    found = minimize(negative, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    return -found.fun / len(y_L)


def released(f: np.ndarray, y: np.ndarray) -> float:
    """thuml/LogME, `_fit_fixed_point`, as it is printed, for L <= D."""
    num, width = f.shape
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    sigma = s.reshape(-1, 1) ** 2
    evidences = []
    for i in range(int(y.max() + 1)):
        y_ = (y == i).astype(np.float64).reshape(-1, 1)
        x2 = (u.T @ y_) ** 2
        res_x2 = (y_**2).sum() - x2.sum()
        alpha, beta = 1.0, 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (sigma / (sigma + t)).sum()
            m2 = (sigma * x2 / ((t + sigma) ** 2)).sum()
            res2 = (x2 / ((1 + sigma / t) ** 2)).sum() + res_x2
            alpha = gamma / (m2 + 1e-5)
            beta = (num - gamma) / (res2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidence = width / 2 * np.log(alpha) + num / 2 * np.log(beta) - 0.5 * np.sum(np.log(alpha + beta * sigma))
        evidences.append((evidence - beta / 2 * res2 - alpha / 2 * m2 - num / 2 * np.log(2 * np.pi)) / num)
    return float(np.mean(evidences))


@pytest.mark.parametrize(("num_rows", "width"), [(40, 5), (30, 30), (12, 20)])
def test_the_exact_form_is_the_largest_evidence(num_rows: int, width: int) -> None:
    features_LD, targets_L = toy(num_rows, width)
    wanted = np.mean([direct(features_LD.numpy(), (targets_L == c).astype(float)) for c in range(3)])
    score = LogME("exact", max_iterations=CONVERGED, tolerance=0.0, epsilon=1e-9)(features_LD, targets_L)
    assert score == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("num_rows", "width"), [(60, 200), (30, 30), (20, 64)])
def test_the_reference_form_is_the_released_code(num_rows: int, width: int) -> None:
    features_LD, targets_L = toy(num_rows, width)
    targets_L = targets_L + (targets_L == 2)  # class 2 is absent
    wanted = released(features_LD.numpy(), targets_L)
    assert LogME("reference", "count")(features_LD, targets_L) == pytest.approx(wanted, rel=1e-10)


def test_the_two_forms_agree_where_rows_span_every_direction() -> None:
    features_LD, targets_L = toy(60, 7)
    assert LogME("reference")(features_LD, targets_L) == pytest.approx(LogME("exact")(features_LD, targets_L))


def test_more_rows_than_features_takes_the_same_evidence_as_fewer() -> None:
    """A feature of zeros adds a direction without a singular value, and so nothing to the exact form."""
    features_LD, targets_L = toy(40, 5)
    wide_LD = torch.cat([features_LD, torch.zeros(40, 60)], dim=1)
    exact = LogME("exact")
    assert exact(wide_LD, targets_L) == pytest.approx(exact(features_LD, targets_L), abs=1e-9)


@pytest.mark.parametrize(("num_rows", "width"), [(50, 9), (20, 40)])
def test_scale_rotation_order_and_names_of_classes_do_not_matter(num_rows: int, width: int) -> None:
    features_LD, targets_L = toy(num_rows, width)
    exact = LogME("exact", max_iterations=CONVERGED, tolerance=1e-12)
    score = exact(features_LD, targets_L)
    rotation_DD = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64, generator=torch.manual_seed(0)))[0]
    order = np.random.default_rng(1).permutation(num_rows)
    assert exact(features_LD @ rotation_DD, targets_L) == pytest.approx(score, abs=1e-8)
    assert exact(features_LD[torch.from_numpy(order)], targets_L[order]) == pytest.approx(score, abs=1e-8)
    assert exact(features_LD, np.array([7, 0, 3])[targets_L]) == pytest.approx(score, abs=1e-8)
    assert exact(100 * features_LD, targets_L) == pytest.approx(score, abs=1e-8)


def test_separated_classes_score_higher() -> None:
    features_LD, targets_L = toy(80, 6)
    means_LD = torch.stack([features_LD[torch.from_numpy(targets_L == c)].mean(0) for c in range(3)])[targets_L]
    for form in ("exact", "reference"):
        assert LogME(form)(features_LD + 3 * means_LD, targets_L) > LogME(form)(features_LD, targets_L)


def test_an_absent_class_raises_the_score_only_where_it_is_counted() -> None:
    features_LD, targets_L = toy(60, 5)
    gap = targets_L + (targets_L == 2)
    assert LogME("exact")(features_LD, gap) == pytest.approx(LogME("exact")(features_LD, targets_L))
    assert LogME("exact", "count")(features_LD, gap) > LogME("exact", "count")(features_LD, targets_L) + 1


def test_labels_that_are_noise_give_a_finite_score() -> None:
    rng = np.random.default_rng(0)
    score = LogME("exact")(torch.from_numpy(rng.normal(size=(20, 60))), rng.integers(3, size=20))
    assert np.isfinite(score)


def test_bad_options_and_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"logme\.null_space wants reference or exact"):
        LogME("both")  # type: ignore[arg-type]
    for value in (float("nan"), 0.0):
        with pytest.raises(ValueError, match="finite features"):
            LogME()(torch.tensor([[value]]), np.zeros(1, dtype=int))
