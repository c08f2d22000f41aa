"""What a run raises when it cannot go on without further labels. This file imports no training library."""


class LabelsWanted(Exception):
    """Labels are not there yet; the same command goes on when they are.

    Args:
        number: the round that the labels are for.
        where: how many are wanted, and where to put them.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"labels wanted for round {number}: {where}; the same command goes on when they are there")
