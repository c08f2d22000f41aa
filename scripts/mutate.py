"""Breaks calrun one line at a time, in a copy, and says which breaks the related tests let pass.

python scripts/mutate.py [--jobs 2] [--only 3 17] [--area report]

scripts/mutations.yaml lists the breaks by area: `file`, `old` (a text that occurs in it once), `new`, and `tests`, the
related test files or tests; by default, the test file that mirrors `file`. Tests that hang count as failed.
"""

import argparse
import importlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MUTATIONS = ROOT / "scripts" / "mutations.yaml"
PASSED, FAILED = 0, 1  # exit codes of pytest
HANGS_AFTER = 900  # processor seconds after which tests count as hanging
OTHERS = (
    *("hydra", "hypothesis", "matplotlib.pyplot", "numba", "pandas", "pytorch_lightning", "scipy.stats", "torch"),
    *("sklearn.datasets", "sklearn.metrics", "sklearn.model_selection", "torchmetrics", "torchvision"),
)


@dataclass(frozen=True)
class Mutation:
    """One break: in `file`, `old` becomes `new`, and one of `tests` should fail."""

    number: int
    area: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.number:3} {self.area}: {self.file}: {self.old.strip()} -> {self.new.strip()}"

    def applied(self, root: Path) -> str:
        """Returns the text of the file with the break in it.

        Raises:
            ValueError: if `old` does not occur in it exactly once.
        """
        text = (root / self.file).read_text(encoding="utf-8") if (root / self.file).exists() else ""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"break {self.number} wants {self.old!r} once in {self.file}, where it stands {found} times; bring "
                "scripts/mutations.yaml up to date"
            )
        return text.replace(self.old, self.new)


def read_mutations(path: Path = MUTATIONS) -> list[Mutation]:
    """Returns the listed breaks, numbered from 1."""
    areas = yaml.safe_load(path.read_text(encoding="utf-8"))
    listed = [(area, {"tests": [mirror(entry["file"])], **entry}) for area in areas for entry in areas[area]]
    return [
        Mutation(number, area, entry["file"], entry["old"], entry["new"], tuple(entry["tests"]))
        for number, (area, entry) in enumerate(listed, start=1)
    ]


def mirror(file: str) -> str:
    """Returns the test file that mirrors a module: calrun/look/predict.py has tests/look/test_predict.py."""
    module = Path(file).relative_to("calrun")
    return str(Path("tests") / module.with_name(f"test_{module.name}"))


def copied(folder: Path) -> Path:
    """Returns a copy of the working tree: what git has and what it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in listing.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def preload() -> None:
    """Imports the other libraries that tests import, so that each run of tests, a fork of this process, need not."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in OTHERS:
        importlib.import_module(name)


def begin(copy: Path, tests: Iterable[str]) -> int:
    """Begins pytest on some test files of a copy in a forked child; returns the child's number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True  # or a break of the same length in the same second would not be seen
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (HANGS_AFTER, HANGS_AFTER))  # pytest-timeout stops no compiled loop
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
    os._exit(int(code))


def ended(status: int) -> int:
    """Returns the exit code of pytest from a child's status; a child that was killed counts as a failure."""
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else FAILED


def survives(copy: Path, mutation: Mutation) -> bool:
    """Tells whether the related tests let a break pass, in a copy of its own."""
    return next(alive for _, alive in results([mutation], [copy]))


def results(mutations: Iterable[Mutation], copies: Iterable[Path]) -> Iterator[tuple[Mutation, bool]]:
    """Yields each break with whether the related tests let it pass; as many at a time as there are copies.

    Raises:
        ValueError: if pytest neither passes nor fails: such a break says nothing about the tests.
    """
    waiting, free, running = deque(mutations), deque(copies), dict[int, tuple[Mutation, Path, str]]()
    while waiting or running:
        while waiting and free:
            mutation, copy = waiting.popleft(), free.popleft()
            whole = (copy / mutation.file).read_text(encoding="utf-8")
            (copy / mutation.file).write_text(mutation.applied(copy), encoding="utf-8")
            running[begin(copy, mutation.tests)] = mutation, copy, whole
        child, status = os.wait()
        mutation, copy, whole = running.pop(child)
        (copy / mutation.file).write_text(whole, encoding="utf-8")
        code = ended(status)
        if code not in (PASSED, FAILED):
            raise ValueError(f"pytest ends with {code}, wanted 0 or 1; let this still import: {mutation}")
        free.append(copy)
        yield mutation, code == PASSED


def played(mutations: Sequence[Mutation], jobs: int) -> list[Mutation]:
    """Returns the breaks that survive, and prints how each one went.

    Raises:
        ValueError: if a related test fails without a break: it would kill everything.
    """
    preload()
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        copies = [copied(Path(scratch, str(job))) for job in range(jobs)]
        tests = sorted({test for mutation in mutations for test in mutation.tests})
        if code := ended(os.waitpid(begin(copies[0], tests), 0)[1]):
            raise ValueError(f"pytest ends with {code} before anything is broken; mend that first: {' '.join(tests)}")
        for mutation, alive in results(mutations, copies):
            print("SURVIVED" if alive else "killed  ", mutation, flush=True)
            survivors += [mutation] * alive
    return survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="copies that are tested at the same time")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of breaks; all others are skipped")
    parser.add_argument("--area", help="an area of the list; all others are skipped")
    given = parser.parse_args()
    mutations = [
        mutation
        for mutation in read_mutations()
        if mutation.number in (given.only or [mutation.number]) and mutation.area == (given.area or mutation.area)
    ]
    for mutation in mutations:
        mutation.applied(ROOT)
    survivors = played(mutations, given.jobs)
    total, alive = Counter(mutation.area for mutation in mutations), Counter(mutation.area for mutation in survivors)
    print(f"\n{'area':12} {'breaks':>6} {'survive':>7}")
    for area, count in [*total.items(), ("all", len(mutations))]:
        print(f"{area:12} {count:6} {alive[area] if area != 'all' else len(survivors):7}")
    for mutation in survivors:
        print(f"SURVIVED {mutation}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"mutate: {error}")
