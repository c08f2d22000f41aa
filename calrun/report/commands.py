"""The command `calrun report`."""

from pathlib import Path
from typing import Annotated

import typer


def report_command(  # noqa: PLR0913 - the options of a command
    folders: Annotated[list[Path], typer.Argument(help="run folders, or folders that hold them")],
    out: Annotated[
        Path | None, typer.Option(help="where tables and figures go; default: report/ in the first folder")
    ] = None,
    baseline: Annotated[str, typer.Option(help="the method that speed-ups are measured against")] = "al",
    stand_in: Annotated[
        list[str] | None, typer.Option(help="OURS=PAPER: a data set beside another one of the paper; may be repeated")
    ] = None,
    label_price: Annotated[float | None, typer.Option(help="price of one label; adds the overall cost")] = None,
    hour_price: Annotated[float | None, typer.Option(help="price of one hour of fitting, in the same currency")] = None,
    log: Annotated[bool, typer.Option("--log", help="sends the report to the logger of the runs too")] = False,
) -> None:
    """Turns run folders into tables and figures."""
    from calrun.report.main import report
    from calrun.report.measure.prices import Prices

    asked = label_price is not None or hour_price is not None
    prices = Prices(label_price or 0.0, hour_price or 0.0) if asked else None
    stand_ins = dict((own, paper) for own, _, paper in (each.partition("=") for each in stand_in or []))
    out = out or folders[0] / "report"
    if not log:
        report(folders, out, baseline, prices, stand_ins)
        return
    from calrun.logger.reported import logger_of

    logger, experiment = logger_of(folders)
    logger.send_report(out, report(folders, out, baseline, prices, stand_ins).files, experiment)
