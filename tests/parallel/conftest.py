"""Processes that play together, forked off the test."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

SECONDS = 60.0


@pytest.fixture
def together(tmp_path: Path) -> Callable[[Callable[[int], Any], int], list[Any]]:
    """Returns together(work, size) -> what `work` returns in each of some processes, or the error, by their rank."""

    def played(work: Callable[[int], Any], size: int) -> list[Any]:
        fork = multiprocessing.get_context("fork")
        queue = fork.Queue()

        def play(rank: int) -> None:
            store = f"file://{tmp_path / 'store'}"
            dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
            try:
                answer = work(rank)
            except Exception as error:
                answer = error
            queue.put((rank, answer))
            queue.close()
            queue.join_thread()
            dist.barrier()
            os._exit(0)

        started = [fork.Process(target=play, args=(rank,), daemon=True) for rank in range(size)]
        for process in started:
            process.start()
        try:
            answers = dict(queue.get(timeout=SECONDS) for _ in started)
        finally:
            for process in started:
                process.join(SECONDS / 10)
                process.kill()
        (tmp_path / "store").unlink(missing_ok=True)
        return [answers[rank] for rank in range(size)]

    return played
