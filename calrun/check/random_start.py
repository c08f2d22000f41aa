"""What is worth knowing before a run: a method that is made for a pre-trained backbone begins from random weights."""

from collections.abc import Mapping

from calrun.acquisition.base import Acquisition
from calrun.method.base import Method
from calrun.method.composed import is_random

FROM_MODEL = "model.pretrained=true or model.checkpoint=FILE for a model that has them"


def random_start(method: Method, chosen: Mapping[str, Acquisition]) -> list[str]:
    """Returns one sentence for each choice that wants a pre-trained backbone where nothing gives it weights.

    Args:
        method: built on the data set itself.
        chosen: acquisitions by group.
    """
    options = method.wants_weights()
    looks = any(column.of is not None for column in chosen["initial"].wanted())
    if not (options or looks) or not is_random(method):
        return []
    first = f"initial={type(chosen['initial']).__name__} chooses by a network of random weights"
    begins = "the method is made for a pre-trained backbone, but begins from random weights"
    remedy = f"give it weights ({' or '.join([*options, FROM_MODEL])}) if it has any"
    return [f"{begins}; {remedy}"] if options else [f"{first}; {remedy}, or choose initial=random"]
