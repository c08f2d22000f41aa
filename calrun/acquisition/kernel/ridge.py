"""A ridge head on one-hot classes that takes rows one at a time, and what each further row would make of it.

W = (X'X + lambda I)^-1 X'Y in closed form; a further row changes the inverse by a matrix of rank one (Sherman and
Morrison 1950), and W and the scores of any other rows with it, so that no candidate wants a fit of its own.

Dimension key: N candidates, B candidates of a chunk, L labelled rows, V validation rows, C classes, D features and a
constant one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TIE = 1e-9  # scores, and losses per validation row, that differ by less are equal: rounding decides nothing


def inputs(features_BD: Tensor) -> Tensor:
    """Returns features as the head takes them: in double precision, with a last column of ones."""
    return F.pad(features_BD.double(), (0, 1), value=1.0)


def ridge_weights(x_LD: Tensor, targets_L: Tensor, num_classes: int, ridge: float) -> tuple[Tensor, Tensor]:
    """Returns the weights of the head on some rows (D, C), and the inverse (D, D) that they come from."""
    products_DD = x_LD.T @ x_LD
    products_DD.diagonal().add_(ridge)
    inverse_DD = torch.cholesky_inverse(torch.linalg.cholesky(products_DD))
    return inverse_DD @ (x_LD.T @ one_hot(targets_L, num_classes)), inverse_DD


class RidgeHead:
    """The head and the validation rows that it is measured on.

    Args:
        ridge: lambda, also of the constant.
        val_VD: the validation rows as the head takes them.
        val_targets_V: their classes.
        num_classes: C.
    """

    def __init__(self, ridge: float, val_VD: Tensor, val_targets_V: Tensor, num_classes: int) -> None:
        width = val_VD.shape[1]
        self.inverse_DD = torch.eye(width, dtype=torch.float64, device=val_VD.device) / ridge
        self.weight_DC = val_VD.new_zeros(width, num_classes)
        self.val_VD, self.val_targets_V, self.ridge = val_VD, val_targets_V, ridge
        self.wanted_VC = one_hot(val_targets_V, num_classes)

    def fit(self, x_LD: Tensor, targets_L: Tensor) -> None:
        """Fits the head to labelled rows in place of all that it has seen."""
        num_classes = self.weight_DC.shape[1]
        self.weight_DC, self.inverse_DD = ridge_weights(x_LD, targets_L, num_classes, self.ridge)

    def add(self, x_D: Tensor, target: int) -> None:
        """Fits the head to one more row."""
        towards_D = self.inverse_DD @ x_D
        length = 1 + x_D @ towards_D
        residual_C = -(x_D @ self.weight_DC)
        residual_C[target] += 1
        self.weight_DC += torch.outer(towards_D, residual_C / length)
        self.inverse_DD -= torch.outer(towards_D, towards_D / length)

    def scores(self) -> Tensor:
        """Returns the scores of the validation rows (V, C)."""
        return self.val_VD @ self.weight_DC

    def with_each(self, x_BD: Tensor, targets_B: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the head would be with each of some further rows alone.

        Returns:
            How many validation rows it would get right (B,), and its squared loss on them (B,). A row is right if its
            class scores higher than every other; a tie is wrong.
        """
        score_VC = self.scores()
        towards_BD = x_BD @ self.inverse_DD
        length_B = 1 + (towards_BD * x_BD).sum(dim=1)
        moved_BV = (towards_BD @ self.val_VD.T) / length_B[:, None]
        residual_BC = one_hot(targets_B, score_VC.shape[1]) - x_BD @ self.weight_DC
        error_VC = score_VC - self.wanted_VC
        crossed_B = ((moved_BV @ error_VC) * residual_BC).sum(dim=1)
        loss_B = error_VC.square().sum() + 2 * crossed_B
        loss_B += moved_BV.square().sum(dim=1) * residual_BC.square().sum(dim=1)
        return self._right(score_VC, moved_BV, residual_BC), loss_B

    def _right(self, score_VC: Tensor, moved_BV: Tensor, residual_BC: Tensor) -> Tensor:
        score_BVC = torch.addcmul(score_VC, moved_BV[:, :, None], residual_BC[:, None, :])
        place_BV1 = self.val_targets_V[None, :, None].expand(len(moved_BV), -1, 1)
        own_BV = score_BVC.gather(2, place_BV1)[:, :, 0]
        best_other_BV = score_BVC.scatter_(2, place_BV1, -torch.inf).amax(dim=2)
        return (own_BV > best_other_BV + TIE).sum(dim=1)


def one_hot(targets_B: Tensor, num_classes: int) -> Tensor:
    """Returns classes as rows of zeros with a one (B, C) in double precision."""
    return F.one_hot(targets_B.long(), num_classes).double()


def row_bytes(num_features: int, num_val: int, num_classes: int) -> int:
    """Returns the bytes that a candidate takes while it is tried."""
    return 8 * (num_val * (num_classes + 4) + 4 * (num_features + 1) + 3 * num_classes)
