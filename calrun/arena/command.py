"""The command `calrun arena`; nothing here imports what plays before it runs."""

from pathlib import Path
from typing import Annotated

import typer

GROUP = "acquisition"


def arena_command(  # noqa: PLR0913 - the options of a command
    words: Annotated[list[str] | None, typer.Argument(metavar="acquisition=NAME,NAME", help="default: all")] = None,
    sets: Annotated[str | None, typer.Option(help="data sets, such as digits,cifar10; default: all there are")] = None,
    seeds: Annotated[int, typer.Option(help="seeds of each cell, from 0 on")] = 10,
    budgets: Annotated[str, typer.Option(help="low, high or both")] = "low,high",
    features: Annotated[
        Path | None, typer.Option(help="a folder of NAME.npz: features, labels, test_features, test_labels")
    ] = None,
    out: Annotated[Path, typer.Option(help="where the bank of cells and the report go")] = Path("outputs/arena"),
    processes: Annotated[int, typer.Option(help="that play at the same time, each with one thread")] = 2,
    detect: Annotated[float, typer.Option(help="the difference in points of accuracy that matters")] = 1.0,
    measure: Annotated[str, typer.Option(help="accuracy or balanced_accuracy")] = "accuracy",
    fresh: Annotated[bool, typer.Option("--fresh", help="moves records aside that do not fit, and plays anew")] = False,
    config_dir: Annotated[Path | None, typer.Option(help="a folder of your own options, as for calrun run")] = None,
) -> None:
    """Ranks acquisitions on stored features: plays what is missing, and says what can be told apart.

    The ranking holds every acquisition that the bank knows on these data sets, budgets and seeds. The exit code is 1 if
    a cell has failed.
    """
    from calrun.arena.arena import Wish, arena
    from calrun.arena.report import report
    from calrun.text.say import say

    given = out / "features"
    wish = Wish(
        bank=out / "bank",
        names=names_of(words or []),
        sets=sets,
        seeds=seeds,
        budgets=[each for each in dict.fromkeys(budgets.split(",")) if each],
        features=features if features is not None or not given.is_dir() else given,
        processes=processes,
        detect=detect,
        measure=measure,
        fresh=fresh,
        config_dir=config_dir,
    )
    outcome = arena(wish, say)
    report(outcome, out)
    if outcome.failures:
        raise typer.Exit(1)


def names_of(words: list[str]) -> list[str] | None:
    """Returns the acquisitions that are named; `None` for all.

    Raises:
        ValueError: if a word is something else.
    """
    names: list[str] = []
    for word in words:
        key, sign, value = word.partition("=")
        if key != GROUP or not sign:
            raise ValueError(
                f"calrun arena takes acquisition=NAME,NAME, got {word!r}; other values of an acquisition are an option "
                "of their own, a YAML in --config-dir that begins with the defaults [NAME, _self_]"
            )
        names += [name for name in value.split(",") if name]
    if words and not names:
        raise ValueError("acquisition= names none; leave it out to play all")
    return names or None
