"""The page."""


from collections.abc import Sequence
from calrun.arena.arena import Outcome
from calrun.arena.tables import Standing


def page(outcome: Outcome, standings: Sequence[Standing], faults: Sequence[str]) -> str:
    return "<html></html>"
