"""What a run says that has come as far as it can without further labels. No training library is needed to know it."""


class LabelsWanted(Exception):
    """Labels are not there yet; the same command goes on when they are.

    Args:
        number: the round that they are for.
        where: how many are wanted, and where to put them.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"labels wanted for round {number}: {where}; the same command goes on when they are there")
