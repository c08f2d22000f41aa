"""Margin sampling. Scheffer et al. 2001, "Active Hidden Markov Models for Information Extraction".

Dimension key: B rows of one chunk, C classes, P pixels.
"""

import torch
from torch import Tensor

from calrun.acquisition.kernel.uncertainty import Uncertainty, runner_up
from calrun.acquisition.least_confidence import checked_space


class Margin(Uncertainty):
    """Takes the rows whose two most probable classes are closest.

    Args:
        space: `prob` compares probabilities; `logit` compares logits, as the text (not the code) of
            Emam et al. 2021, Sec. 5, says.
        mc_dropout: as in `Uncertainty`.
        num_mc_samples: as in `Uncertainty`.
        memory_gib: as in `Uncertainty`.
    """

    def __init__(self, space: str, mc_dropout: bool, num_mc_samples: int, memory_gib: float | None) -> None:
        super().__init__(mc_dropout, num_mc_samples, memory_gib)
        self.space = checked_space(space, mc_dropout)

    def certainty(self, logits_BC: Tensor) -> Tensor:
        if logits_BC.shape[1] == 1:
            return torch.zeros_like(logits_BC[:, 0])
        if self.space == "logit":
            top_B2 = logits_BC.topk(2, dim=1).values
            return top_B2[:, 0] - top_B2[:, 1]
        return log_margin_complement(logits_BC)

    def pixel_score(self, logits_PC: Tensor) -> Tensor:
        return -self.certainty(logits_PC) if self.space == "logit" else super().pixel_score(logits_PC)


def log_margin_complement(logits_BC: Tensor) -> Tensor:
    """Returns -log(1 - m) for the margin m = p_1 - p_2: the order of m, with full resolution near 0 and near 1.

    1 / (1 - m) = 1 + (exp(z_1 - z_2) - 1) / (1 + sum_{c > 1} exp(z_c - z_2)).
    """
    top, _ = runner_up(logits_BC)
    near_B = (torch.expm1(-top.gap_B) / (1 + top.others_B)).log1p()
    return torch.where(top.gap_B < -30, -top.gap_B - (1 + top.others_B).log(), near_B)
