"""Numbers too small for a processor's usual format, with which it calculates many times as slowly."""

import math

import torch
from torch import Tensor


def without_tiny(values: Tensor) -> Tensor:
    """Returns values of at least 0 with those as 0 whose products with each other would be denormal.

    A processor may take many times as long for such a product, and a joint posterior over many rows is mostly tiny.
    """
    return torch.where(values < math.sqrt(torch.finfo(values.dtype).tiny), 0.0, values)
