"""Damaged checkpoints: each is one sentence that says what is wrong with the file."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.base import Classifier
from calrun.model.mlp import mlp


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def net_and_weights() -> tuple[Classifier, dict[str, Tensor]]:
    torch.manual_seed(0)
    net = mlp(2, (3,), hidden=[40], dropout=0.0)
    return net, {name: value.clone() for name, value in net.backbone.state_dict().items()}


def damaged(how: str, path: Path) -> None:
    """Writes a file that is damaged in a way."""
    weights = net_and_weights()[1]
    if how == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "a")
    elif how == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Code(path.with_suffix(".made"))}))
    elif how == "code":
        torch.save({"state_dict": Code(path.with_suffix(".made"))}, path)
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif how.startswith("safetensors"):
        save_file(weights, path)
        path.write_bytes(path.read_bytes()[: {"safetensors, half": 150, "safetensors, header": 12}[how]])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("hello, world")
    else:
        torch.save(weights, path)
        path.write_bytes(path.read_bytes()[:600])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("half", "is truncated: it has 600 bytes and lacks its end; copy or save it again"),
        ("zip", "is a zip of something else (first: a.txt)"),
        ("pickle", "holds Python objects"),
        ("code", "holds Python objects"),
        ("array", "is an array of NumPy"),
        ("empty", "is empty (0 bytes)"),
        ("text", "begins with b'hello, w', as no file of torch.save"),
        ("safetensors, half", "is a truncated or damaged safetensors file of 150 bytes"),
        ("safetensors, header", "is a truncated or damaged safetensors file of 12 bytes"),
    ],
)
def test_a_damaged_file_is_one_sentence_and_runs_nothing(
    how: str, said: str, tmp_path: Path, small: tuple[str, ...], refusal: Callable[..., str]
) -> None:
    damaged(how, tmp_path / "weights.pt")
    sentence = refusal("run", *small, "method=finetune", f"method.start.path={tmp_path / 'weights.pt'}")
    assert f"checkpoint {tmp_path / 'weights.pt'} {said}" in sentence
    assert not (tmp_path / "weights.made").exists()


def test_a_flipped_byte_is_found_by_the_checksum_that_torch_wrote(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    path = tmp_path / "weights.pt"
    torch.save(weights, path)
    whole = path.read_bytes()
    at = whole.index(weights["1.weight"].numpy().tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert not torch.equal(torch.load(path)["1.weight"], weights["1.weight"])  # torch itself does not look
    with pytest.raises(ValueError, match=r"is damaged: 1 of its \d+ records have changed since it was written"):
        load_backbone(net, path)


def test_a_file_that_was_written_without_checksums_is_read(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(weights, tmp_path / "weights.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    load_backbone(net, tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.to("meta"), "a shape without numbers"),
        (lambda x: x.to(torch.int8), "torch.int8"),
        (lambda x: x.to(torch.complex64), "torch.complex64"),
        (lambda x: x.to_sparse(), "sparse"),
    ],
)
def test_tensors_that_are_no_plain_numbers_are_refused_by_name(
    change: Callable[[Tensor], Tensor], said: str, tmp_path: Path
) -> None:
    net, weights = net_and_weights()
    torch.save({**weights, "1.weight": change(weights["1.weight"])}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=rf"1 keys no plain numbers \(first: 1\.weight is {said}"):
        load_backbone(net, tmp_path / "weights.pt")
