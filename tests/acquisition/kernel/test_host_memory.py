"""What is free: the machine's, the cgroups' or the job's, whichever is least."""

from collections.abc import Callable
from pathlib import PurePosixPath

import psutil
import pytest

from calrun.acquisition.kernel import host_memory
from calrun.acquisition.kernel.host_memory import free_host_bytes
from calrun.acquisition.kernel.memory import limit_bytes

MIB = 2**20
V1 = "31 23 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
V1_CPU = "30 23 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct"
V2 = "32 23 0:29 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
UNLIMITED_V1 = 0x7FFFFFFFFFFFF000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a machine of files by path, for a process in a cgroup; all others cannot be read."""
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)

    def made(cgroup: str, mounts: str, files: dict[str, object]) -> None:
        every = {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": mounts} | files
        monkeypatch.setattr(host_memory, "read", lambda path: str(every.get(str(PurePosixPath(path)), "")))

    return made


def group(path: str, limit: object, usage: int, reclaimable: int = 0, v1: bool = False) -> dict[str, object]:
    """The files of one cgroup; numbers in MiB."""
    names = ("limit_in_bytes", "usage_in_bytes", "total_inactive_file") if v1 else ("max", "current", "inactive_file")
    limit = limit * MIB if isinstance(limit, int) else limit
    return {
        f"{path}/memory.{names[0]}": f"{limit}\n",
        f"{path}/memory.{names[1]}": usage * MIB,
        f"{path}/memory.stat": f"anon 1\n{names[2]} {reclaimable * MIB}\n",
    }


def test_a_limit_of_version_2_leaves_what_is_not_in_use(machine: Callable[..., None]) -> None:
    machine("0::/job/step\n", V2, group("/sys/fs/cgroup/job/step", 300, 220, 20))
    assert free_host_bytes() == 100 * MIB
    assert limit_bytes(None) == 25 * MIB


@pytest.mark.parametrize(("inner", "outer", "free"), [(300, 900, 80), (900, 300, 70), ("max", 300, 70)])
def test_the_tightest_of_nested_groups_counts(
    inner: object, outer: object, free: int, machine: Callable[..., None]
) -> None:
    files = group("/sys/fs/cgroup/a/b/c", inner, 220) | group("/sys/fs/cgroup/a", outer, 230)
    machine("0::/a/b/c\n", V2, files)
    assert free_host_bytes() == free * MIB


def test_version_1_is_found_where_it_is_mounted(machine: Callable[..., None]) -> None:
    files = group("/sys/fs/cgroup/memory/docker/x", 300, 250, 10, v1=True)
    files |= group("/sys/fs/cgroup/memory", "9223372036854771712", 5000, v1=True)
    machine("9:memory,hugetlb:/docker/x\n8:cpu,cpuacct:/docker/x\n0::/\n", f"{V1_CPU}\n{V1}\n{V2}", files)
    assert free_host_bytes() == 60 * MIB


def test_a_container_sees_the_part_below_its_root(machine: Callable[..., None]) -> None:
    files = group("/sys/fs/cgroup/memory/inner", 300, 250, v1=True)
    machine("9:memory:/docker/x/inner\n", V1.replace(" / /sys", " /docker/x /sys"), files)
    assert free_host_bytes() == 50 * MIB


def test_a_group_beyond_its_limit_leaves_nothing(machine: Callable[..., None]) -> None:
    machine("0::/\n", V2, group("/sys/fs/cgroup", 300, 310))
    assert free_host_bytes() == 0


def test_without_cgroups_it_is_the_machines(machine: Callable[..., None]) -> None:
    machine("", "", {})
    assert free_host_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.5)


@pytest.mark.parametrize(
    ("variables", "limited"),
    [
        ({"MEM_PER_NODE": "2000"}, True),
        ({"MEM_PER_CPU": "500", "CPUS_ON_NODE": "4"}, True),
        ({"MEM_PER_NODE": "0"}, False),  # all of the node
        ({"MEM_PER_NODE": "", "MEM_PER_CPU": "500"}, False),
    ],
)
def test_a_job_has_what_it_asked_slurm_for(
    variables: dict[str, str], limited: bool, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("", "", {})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10**15}))
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    own = psutil.Process().memory_info().rss
    assert (free_host_bytes() < 2000 * MIB - own / 2) == limited
    assert free_host_bytes() == (pytest.approx(2000 * MIB - own, rel=0.1) if limited else 10**15)


def test_this_machine_can_be_read() -> None:
    assert 0 < free_host_bytes() <= psutil.virtual_memory().total
