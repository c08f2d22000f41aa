"""Mirrors a run to trackio, whose calls are W&B's: to a database on this machine, which `trackio show` shows.

Optional: pip install 'calrun[trackio]'. trackio has neither job types nor exit codes: the first stand in the
configuration, and a run that did not finish has an alert.
"""

import io
import os
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from calrun.logger.mirror import Mirror

ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")  # variables that send runs to another machine


class TrackioLogger(Mirror):
    """Sends each round's numbers to trackio on this machine; the run folder stays the truth.

    Args:
        project: trackio's project.
    """

    option = "trackio"

    def __init__(self, project: str) -> None:
        super().__init__()
        self.project = project

    def begin(self, config: dict[str, Any], name: str, group: str, job_type: str) -> Any:
        if found := [name for name in ELSEWHERE if os.environ.get(name)]:
            raise ValueError(f"logger=trackio writes on this machine, but {found[0]} names another place; unset it")
        try:
            import trackio
            from trackio import fragments, utils
            from trackio.sqlite_storage import SQLiteStorage
        except ImportError as error:
            raise ValueError(
                f"logger=trackio wants trackio, which cannot be imported ({error}); pip install 'calrun[trackio]' or "
                "choose another logger"
            ) from error
        warnings.filterwarnings("ignore", module="trackio")
        name = f"{name}-{self.id.rpartition('-')[2]}"  # trackio knows a run by its name
        with redirect_stdout(io.StringIO()):
            if utils.get_storage_mode() == "jsonl":  # on a network's file system rows wait in files
                fragments.import_inbox_dir()
            SQLiteStorage.delete_run(self.project, name)  # an earlier attempt: this one sends it again
            return trackio.init(
                project=self.project,
                name=name,
                group=group,
                config=config | {"job_type": job_type},
                auto_log_gpu=False,
                auto_log_cpu=False,
                embed=False,
            )

    def artifact(self, name: str, kind: str, files: list[Path]) -> Any:
        import trackio

        artifact = trackio.Artifact(name, kind)
        for path in files:
            artifact.add_file(path)
        return artifact

    def end(self, exit_code: int) -> None:
        import trackio

        with redirect_stdout(io.StringIO()):
            if exit_code:
                self.run.alert("not finished", f"calrun ended with exit code {exit_code}", trackio.AlertLevel.ERROR)
            trackio.finish()  # type: ignore[no-untyped-call]
        self._refuse_lost()

    def _refuse_lost(self) -> None:
        """Raises an OSError if rows were not stored: trackio's calls raise nothing, and its warnings are not shown."""
        from trackio import utils
        from trackio.sqlite_storage import SQLiteStorage

        stored = len(SQLiteStorage.get_logs(self.project, self.run.name, run_id=self.run.id))
        if utils.get_storage_mode() == "sqlite" and stored < self.rows:
            raise OSError(f"{stored} of {self.rows} rows were stored in {utils.TRACKIO_DIR}")
