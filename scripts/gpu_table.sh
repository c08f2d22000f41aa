#!/usr/bin/env bash
# Plays the runs of a table on one GPU in slices, so that a machine borrowed for minutes at a time gives a table.
#
#   scripts/gpu_table.sh prepare 3.12    at home: wheels/ with what that Python lacks beside PyTorch's packages
#   scripts/gpu_table.sh 560 [WORD...]   there: plays for 560 s, then ends; the same command goes on
#
# WORD: words of `calrun run -m`; by default experiment=cal/table1 (seed=0 plays one seed of each method first). PACK runs
# share the GPU (default 7), under NVIDIA's multi-process service where the machine has it: 1.5 to 1.7 times as fast.
#
# What the machine has to have: Python 3.11 to 3.13 with torch, torchvision, pytorch-lightning, transformers,
# scikit-learn, pandas, scipy and matplotlib; no network. What has to come with this folder: wheels/ (60 MB), and of the
# data the four idx files of Fashion-MNIST in DATA/FashionMNIST/raw (30 MB with .gz; DATA: default data). outputs/ must
# come back after each slice and go there again before the next: it is all that a run needs to go on.
set -euo pipefail
cd "$(dirname "$0")/.."
brought="hydra-core omegaconf antlr4-python3-runtime numba llvmlite typer shellingham annotated-doc rich
    markdown-it-py mdurl pygments lightning-utilities torchmetrics psutil safetensors"

refuse() {
    echo "$*" >&2
    exit 2
}

prepare() {
    local pinned=() name
    for name in $brought; do
        pinned+=("$(grep -i "^${name//-/[-_]}==" constraints.txt)") || refuse "constraints.txt names no version of $name"
    done
    rm -rf wheels
    # a wheel is made of the one package that has none; it holds Python alone
    python3 -m pip wheel --quiet --no-deps -w wheels "$(grep -i '^antlr4' constraints.txt)"
    python3 -m pip download --quiet --no-deps --only-binary :all: --python-version "$1" --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --find-links wheels -d wheels "${pinned[@]}"
    du -sh wheels
}

if [ "${1:-}" = prepare ]; then
    prepare "${2:?the version of Python there, such as 3.12}"
    exit
fi
seconds=${1:?seconds of this slice, such as 560}
shift
[[ "$seconds" =~ ^[0-9]+$ ]] && [ "$seconds" -ge 60 ] || refuse "a slice wants whole seconds, 60 at least, got $seconds"
ends=$((SECONDS + seconds - 15)) # calrun ends within 5 s of being told
python3 -c 'import hydra, numba, typer' 2>/dev/null ||
    python3 -m pip install --quiet --no-index --no-deps --find-links wheels $brought
python3 -c 'import torch; assert torch.cuda.is_available()' || refuse "torch sees no GPU here"
if command -v nvidia-cuda-mps-control >/dev/null; then
    CUDA_MPS_PIPE_DIRECTORY=$(mktemp -d) && CUDA_MPS_LOG_DIRECTORY=$CUDA_MPS_PIPE_DIRECTORY
    export CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    nvidia-cuda-mps-control -d && trap 'echo quit | nvidia-cuda-mps-control' EXIT
fi
words=("$@")
[ ${#words[@]} -gt 0 ] || words=(experiment=cal/table1)
code=0
PYTHONPATH=$PWD timeout --signal=TERM $((ends - SECONDS)) python3 -m calrun.cli run -m "${words[@]}" trainer=gpu \
    paths.data="${DATA:-data}" hydra/launcher=processes hydra.launcher.n_jobs="${PACK:-7}" || code=$?
[ "$code" = 124 ] && echo "the slice is over; the same command goes on" && exit 3
exit "$code"
