"""What `record` asks for and this data set or task cannot give."""

from collections.abc import Iterator, Mapping
from typing import Any

from calrun.dataset.base import Dataset
from calrun.task.base import Task
from calrun.task.classification import TOP


def unrecordable(record: Mapping[str, Any], data: Dataset, task: Task) -> Iterator[str]:
    """Yields a sentence for each thing that cannot be recorded."""
    unknown = [name for name in record.get("metrics", ()) if name not in task.more]
    if unknown:
        name = type(task).__name__
        wanted = f"some of {', '.join(task.more)} (of task={name})" if task.more else f"to be empty with task={name}"
        yield f"record.metrics wants {wanted}, got {unknown}"
    wanted = record.get("further_tests", "never")
    if wanted != "never" and not data.further:
        yield f"record.further_tests={wanted} wants further test sets, but this data set has none; set it to never"


def meaningless(record: Mapping[str, Any], data: Dataset) -> Iterator[str]:
    """Yields a sentence for each thing that can be recorded and says nothing of this data set."""
    if "top5" in record.get("metrics", ()) and data.num_classes <= TOP:
        yield f"record.metrics=[top5] is always 1 where a data set has {data.num_classes} classes; leave it out"
