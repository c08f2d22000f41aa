"""`make setup` on machines that lack the Python it is told to use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def interpreter(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ours = ("PYTHON", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of the make that may run these tests
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(["make", *words], cwd=clone, env=environment, capture_output=True, text=True)


def test_a_named_python_that_does_not_run_is_refused_though_others_do(clone: Path) -> None:
    said = make(clone, "setup", f"PYTHON={clone}/nowhere")
    assert said.returncode == 2
    assert f"PYTHON={clone}/nowhere does not run; calrun wants Python 3.11, 3.12 or 3.13" in said.stderr
    assert not (clone / ".venv").exists()


def test_a_named_python_that_is_too_old_is_refused_with_its_version(clone: Path) -> None:
    old = interpreter(
        clone / "python",
        'case "$*" in --version) echo Python 3.10.13 ;; *version_info*) exit 1 ;; esac',
    )
    said = make(clone, "setup", f"PYTHON={old}")
    assert said.returncode == 2
    assert f"PYTHON={old} is Python 3.10.13, but calrun wants Python 3.11, 3.12 or 3.13" in said.stderr


def test_an_environment_of_another_python_is_replaced_only_for_a_named_one(clone: Path) -> None:
    """Both answer each question as this Python does, but one gives another version, and the named one makes nothing."""
    real = f'*) exec {sys.executable} "$@" ;; esac'
    interpreter(clone / ".venv/bin/python", f'case "$*" in *"print(sys.version)"*) echo another ;; {real}')
    named = interpreter(clone / "python", f'case "$*" in *venv*) echo would run: "$@"; exit 7 ;; {real}')
    (clone / ".venv/ready").touch()
    unnamed = make(clone, "setup")
    assert (unnamed.returncode, unnamed.stdout) == (0, "make: Nothing to be done for 'setup'.\n")
    said = make(clone, "setup", f"PYTHON={named}")
    assert "replacing .venv" in said.stdout
    assert "would run: -m venv --clear .venv" in said.stdout
    assert not (clone / ".venv/ready").exists()
