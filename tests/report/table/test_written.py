import os
import time
from pathlib import Path

import pandas as pd

from calrun.report.table.written import ABANDONED_SECONDS, remove_abandoned_parts, write, write_runs, write_text


def test_two_reports_may_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "table.md"

    def overtaken(beside: Path) -> None:
        beside.write_text("the last to end")
        if not (child := os.fork()):
            write_text(path, "another report")
            os._exit(0)
        os.waitpid(child, 0)
        assert path.read_text() == "another report"

    write(path, overtaken)
    assert path.read_text() == "the last to end"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_report_has_left_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    left, living = tmp_path / ".table.md.1.part", tmp_path / ".table.md.2.part"
    for part in (left, living):
        part.write_text("half of a")
    long_ago = time.time() - ABANDONED_SECONDS - 1
    os.utime(left, (long_ago, long_ago))
    remove_abandoned_parts(tmp_path)
    remove_abandoned_parts(tmp_path / "not made yet")
    assert list(tmp_path.iterdir()) == [living]


def test_a_folder_of_any_bytes_can_be_written_to(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"\xfc[b]")
    parquet, text = write_runs(out, pd.DataFrame({"accuracy": [0.5]}))
    assert pd.read_parquet(parquet.open("rb"))["accuracy"].tolist() == [0.5]
    assert text.read_text() == "accuracy\n0.5\n"
