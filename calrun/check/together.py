"""What several processes that play one run together cannot do, and how many of them there must be."""

from collections.abc import Iterator

from omegaconf import DictConfig

from calrun.parallel.launch import tasks_of_step


def num_processes(cfg: DictConfig) -> int:
    """Returns how many processes play a run.

    Raises:
        ValueError: if trainer.processes is no whole number from 1 on.
    """
    processes = cfg.trainer.processes
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        raise ValueError(f"trainer.processes wants a whole number from 1 on, got {processes!r}")
    return processes


def refused_together(cfg: DictConfig) -> Iterator[str]:
    """Yields one sentence for each thing that stands against playing a run in trainer.processes processes."""
    processes, tasks = num_processes(cfg), tasks_of_step()
    if tasks not in (1, processes):
        yield (
            f"SLURM started {tasks} tasks of this step (SLURM_STEP_NUM_TASKS), but trainer.processes is {processes}: "
            "the others would train beside it without knowing of it; set srun's --ntasks to it"
        )
    if processes == 1:
        return
    if "16-mixed" in str(cfg.trainer.precision) and not str(cfg.trainer.precision).startswith("bf16"):
        yield "trainer.processes above 1 cannot scale losses; choose trainer.precision=bf16-mixed or 32-true"
    if not str(cfg.oracle._target_).endswith(".Simulated"):
        yield "trainer.processes above 1 wants labels that are there already; choose oracle=simulated or one process"
