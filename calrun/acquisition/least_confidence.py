"""Least confidence. Lewis and Gale 1994, "A Sequential Algorithm for Training Text Classifiers".

Dimension key: B rows of one chunk, C classes, P pixels.
"""

import torch
from torch import Tensor

from calrun.acquisition.kernel.uncertainty import Uncertainty, runner_up
from calrun.text.legal import one_of


class LeastConfidence(Uncertainty):
    """Takes the rows whose most probable class is least probable.

    Args:
        space: `prob` compares probabilities; `logit` compares top logits, as the text (not the code) of
            Emam et al. 2021, Sec. 5, says.
        mc_dropout: as in `Uncertainty`.
        num_mc_samples: as in `Uncertainty`.
        memory_gib: as in `Uncertainty`.
    """

    def __init__(self, space: str, mc_dropout: bool, num_mc_samples: int, memory_gib: float | None) -> None:
        super().__init__(mc_dropout, num_mc_samples, memory_gib)
        self.space = checked_space(space, mc_dropout)

    def certainty(self, logits_BC: Tensor) -> Tensor:
        return logits_BC.amax(dim=1) if self.space == "logit" else -log_error_probability(logits_BC)

    def pixel_score(self, logits_PC: Tensor) -> Tensor:
        return -self.certainty(logits_PC) if self.space == "logit" else super().pixel_score(logits_PC)


def log_error_probability(logits_BC: Tensor) -> Tensor:
    """Returns log(1 - p_top); p_top itself rounds to 1 for most rows of a trained network."""
    if logits_BC.shape[1] == 1:
        return torch.zeros_like(logits_BC[:, 0])
    top, _ = runner_up(logits_BC)
    log_r_B = top.gap_B + top.others_B.log()
    return log_r_B - log_r_B.exp().log1p()


def checked_space(space: str, mc_dropout: bool) -> str:
    """Returns `space` if it is known and there are logits for it.

    Raises:
        ValueError: otherwise.
    """
    one_of("acquisition.space", space, ("prob", "logit"))
    if space == "logit" and mc_dropout:
        raise ValueError(
            "acquisition.space=logit has no meaning with mc_dropout, which averages probabilities; use prob"
        )
    return space
