"""What is said of a recipe that there are no numbers to compare with: none are printed, or none can be read."""

PICTURES = {  # whose numbers the paper prints as a picture, which its text does not hold
    "wen/fig1": "Table 2",
    "wen/fig11": "Tables 1 and 2",
    "wen/fig13": "Table 1",
    "wen/fig14": "Table 11",
    "wen/table3": "Table 3",
    "wen/table4": "Table 4",
    "wen/table12": "Table 12",
}


def without_numbers(name: str) -> str:
    """Returns why a recipe has no verdict.

    Args:
        name: of an experiment for which `paper_table` knows nothing.
    """
    if name in PICTURES:
        return f"{name}: the paper's numbers for it ({PICTURES[name]}) are in a picture, not in its text; no verdict"
    return f"{name}: the paper prints no numbers for it, so there is no verdict"
