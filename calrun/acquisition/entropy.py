"""Entropy sampling. Settles 2009, "Active Learning Literature Survey", Sec. 3.1; natural logarithm.

Dimension key: B rows of one chunk, C classes.
"""

import torch
from torch import Tensor

from calrun.acquisition.kernel.uncertainty import Uncertainty, runner_up


class Entropy(Uncertainty):
    """Takes the rows whose predicted distribution has the largest entropy."""

    def certainty(self, logits_BC: Tensor) -> Tensor:
        return -log_entropy(logits_BC)


def log_entropy(logits_BC: Tensor) -> Tensor:
    """Returns log H[softmax(z)], which keeps confident rows apart where H itself would round to one value.

    With e_c = exp(z_c - z_top) and r the sum of e_c without the top, H = log(1 + r) - sum_c e_c log(e_c) / (1 + r).
    """
    if logits_BC.shape[1] == 1:
        return torch.zeros_like(logits_BC[:, 0])
    top, others_BC = runner_up(logits_BC)
    log_r_B = top.gap_B + top.others_B.log()
    log1p_r_B = log_r_B.exp().log1p()
    weighted_B = others_BC.mul_(top.top_B[:, None] - logits_BC).sum(dim=1)
    log_first_B = torch.where(log_r_B < -10, log_r_B - log_r_B.exp() / 2, log1p_r_B.log())  # log(log(1 + r))
    return torch.logaddexp(log_first_B, top.gap_B + weighted_B.log() - log1p_r_B)
