"""Memory that this process may still take on the host: by the machine, its cgroups (docker, systemd) or its job."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

MIB = 2**20
VERSIONS = {  # by file system of cgroups: limit, usage, and the line of memory.stat with what the kernel can give back
    "cgroup2": ("memory.max", "memory.current", "inactive_file"),
    "cgroup": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_host_bytes() -> int:
    """Returns the bytes that this process may still take."""
    return max(0, min([int(psutil.virtual_memory().available), *_free_in_cgroups(), *_free_in_job()]))


def read(path: str | PurePosixPath) -> str:
    """Returns what a file holds; an empty text if it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _free_in_cgroups() -> Iterator[int]:
    """Yields what is left of the limit of this process's cgroup and of each one around it."""
    for kind, folder, mount in _memory_cgroups():
        limit_name, usage_name, reclaimable_name = VERSIONS[kind]
        for group in (folder, *folder.parents):
            limit, usage = read(group / limit_name).strip(), read(group / usage_name).strip()
            if limit.isdecimal() and usage.isdecimal():
                statistics = dict(line.split() for line in read(group / "memory.stat").splitlines())
                yield int(limit) - int(usage) + int(statistics.get(reclaimable_name, 0))
            if group == mount:
                break


def _memory_cgroups() -> Iterator[tuple[str, PurePosixPath, PurePosixPath]]:
    """Yields the file system, this process's folder and the mount point of each hierarchy that limits memory."""
    mounts = list(_mounts())
    for line in read("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        kind = "cgroup2" if number == "0" and not controllers else "cgroup"
        if kind == "cgroup" and "memory" not in controllers.split(","):
            continue
        for found, root, mount, options in mounts:
            if found == kind and (kind == "cgroup2" or "memory" in options.split(",")):
                yield kind, _below(PurePosixPath(mount), root, path), PurePosixPath(mount)


def _mounts() -> Iterator[tuple[str, str, str, str]]:
    """Yields file system, root, mount point and options of what is mounted."""
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, *_, options = after.split()
        root, mount = before.split()[3:5]
        yield kind, root, mount, options


def _below(mount: PurePosixPath, root: str, path: str) -> PurePosixPath:
    """Returns where a cgroup's folder is; a container may see only the part below `root`."""
    inside = path if root == "/" or not PurePosixPath(path).is_relative_to(root) else path.removeprefix(root)
    return mount.joinpath(inside.lstrip("/"))


def _free_in_job() -> Iterator[int]:
    """Yields what is left of the memory of a SLURM job on this node, which not every cluster enforces by cgroups."""
    per_node, per_cpu, cpus = (
        os.environ.get(f"SLURM_{name}", "") for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE")
    )
    granted = int(per_node) if per_node.isdecimal() else 0  # 0: all of the node's memory
    if per_cpu.isdecimal() and cpus.isdecimal():
        granted = int(per_cpu) * int(cpus)
    if granted:
        yield granted * MIB - psutil.Process().memory_info().rss
