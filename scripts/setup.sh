#!/usr/bin/env bash
# Makes .venv with the exact versions of constraints.txt, or says in one sentence what the machine lacks.
set -euo pipefail
cd "$(dirname "$0")/.."
needed_gib=9
usable='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
name_one="install one of them or name it: make setup PYTHON=/path/to/python3.11"

refuse() {
    echo "$*" >&2
    exit 2
}

runs() { "$1" -c "$2" >/dev/null 2>&1; }

chosen() { # the interpreter that PYTHON names and no other, else that of .venv, else the newest
    if [ -n "${PYTHON:-}" ]; then
        runs "$PYTHON" 'import sys' || refuse "PYTHON=$PYTHON does not run;" \
            "calrun wants Python 3.11, 3.12 or 3.13; $name_one"
        runs "$PYTHON" "$usable" || refuse "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1)," \
            "but calrun wants Python 3.11, 3.12 or 3.13; $name_one"
        echo "$PYTHON"
        return
    fi
    if runs .venv/bin/python "import pip; $usable"; then
        echo .venv/bin/python
        return
    fi
    for python in python3.13 python3.12 python3.11 python3; do
        runs "$python" "$usable" && echo "$python" && return
    done
    refuse "calrun wants Python 3.11, 3.12 or 3.13, but this machine has $(python3 --version 2>&1 || echo none); $name_one"
}

stands() { # .venv is whole and made by this interpreter
    runs .venv/bin/python 'import pip' &&
        [ "$(.venv/bin/python -c 'import sys; print(sys.version)')" = "$("$1" -c 'import sys; print(sys.version)')" ]
}

ready() { # and nothing it was made from has changed since
    [ .venv/ready -nt pyproject.toml ] && [ .venv/ready -nt constraints.txt ] && [ .venv/ready -nt scripts/setup.sh ]
}

found=$(chosen)
version=$("$found" --version)
if stands "$found"; then
    ready && exit
else
    rm -f .venv/ready
    free_gib=$(($(df -Pk . | awk 'NR==2 {print $4}') / 1048576))
    [ -d .venv ] || [ "$free_gib" -ge "$needed_gib" ] || refuse "calrun's environment takes about 7 GiB (PyTorch)," \
        "but only $free_gib GiB are free in $PWD; free $needed_gib GiB first"
    [ ! -d .venv ] || echo "replacing .venv, which $version did not make or finish"
    "$found" -m venv --clear .venv
fi
echo "setting up .venv with $version (about 7 GiB; two to five minutes)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
.venv/bin/python -m pip install --compile --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[test,lint]' |
    { grep -E --line-buffered '^(Collecting|Installing|Successfully|ERROR|error)' || true; }
# where PYTHONDONTWRITEBYTECODE is set, as in most containers, nothing would be compiled later: 10 s at every start
.venv/bin/python -m compileall -q calrun
.venv/bin/python -c 'import calrun, torch, pytorch_lightning, hydra' && touch .venv/ready
