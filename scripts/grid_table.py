"""Prints what each acquisition gains over random: mean accuracy over the rounds after the first, and the difference.

`python scripts/grid_table.py outputs/grid_digits outputs/grid_fmnist`; the first round's rows are random for all.
"""

import argparse
from pathlib import Path

import pandas as pd

from calrun.report.read.runs import read

WORSE = -0.05  # points; a difference printed as -0.1 or less is a loss


def gains(folders: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns mean accuracy in % and its difference to random's, acquisitions by (data set, method)."""
    table = read(folders).table
    later = table[table["round"] > 1]
    mean = 100 * later.pivot_table(index="acquisition", columns=["dataset", "method"], values="accuracy")
    gain = mean - mean.loc["random"]
    order = gain.sum(axis=1).sort_values(ascending=False).index
    return mean.loc[order], gain.loc[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="experiments with runs of acquisition=random among them")
    mean, gain = gains(parser.parse_args().folders)
    heads = ["acquisition", *(f"{dataset}, {method}" for dataset, method in mean.columns)]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in mean.index:
        cells = [f"{mean.loc[name, column]:.1f} ({gain.loc[name, column]:+.1f})" for column in mean.columns]
        print(f"| {name} | {' | '.join(cells)} |")
    for dataset, method in mean.columns:
        column = gain[dataset, method]
        print(f"\n{dataset}, {method}: {', '.join(sorted(column.index[column < WORSE])) or 'none'} lose to random")


if __name__ == "__main__":
    main()
