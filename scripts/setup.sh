#!/usr/bin/env bash
# Makes .venv with the exact versions of constraints.txt, or says in one sentence what the machine lacks.
set -euo pipefail
cd "$(dirname "$0")/.."
needed_gib=9

for python in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$python" ] && command -v "$python" >/dev/null || continue
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && found=$python && break
done
if [ -z "${found:-}" ]; then
    echo "calrun wants Python 3.11, 3.12 or 3.13, but this machine has $(python3 --version 2>&1 || echo none);" \
        "install one of them or name it: make setup PYTHON=/path/to/python3.11" >&2
    exit 2
fi
free_gib=$(($(df -Pk . | awk 'NR==2 {print $4}') / 1048576))
if [ ! -d .venv ] && [ "$free_gib" -lt "$needed_gib" ]; then
    echo "calrun's environment takes about 7 GiB (PyTorch), but only $free_gib GiB are free in $PWD; free $needed_gib GiB first" >&2
    exit 2
fi
echo "setting up .venv with $("$found" --version) (about 7 GiB; two to five minutes)"
[ -x .venv/bin/python ] || "$found" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
.venv/bin/python -m pip install --compile --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[test,lint]' | 
    grep -E --line-buffered '^(Collecting|Installing|Successfully|ERROR|error)' || true
# where PYTHONDONTWRITEBYTECODE is set, as in most containers, nothing would be compiled later: 10 s at every start
.venv/bin/python -m compileall -q calrun
.venv/bin/python -c 'import calrun, torch, pytorch_lightning, hydra' && touch .venv/ready
