"""Our own SimCLR (scripts/pretrain.py): the loss by a double loop, the views, and whole trainings of a few pictures."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tv

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import pretrain

    return pretrain


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import pretrain_views

    return pretrain_views


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """64 small colour pictures of two classes, as bytes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    y = np.arange(64) % 2
    x = rng.integers(0, 120, (64, 12, 12, 3)) + 120 * y[:, None, None, None]
    np.savez(tmp_path / "mine.npz", x_train=x.astype(np.uint8), y_train=y, x_test=x[:8].astype(np.uint8), y_test=y[:8])
    return tmp_path / "mine.npz"


@pytest.fixture
def typed(
    script: ModuleType, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:  # fmt: skip
    """Runs the script as typed; returns its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str, str]:
        own = ["dataset=npz", f"dataset.path={archive}", "model=cnn", "model.width=4", "trainer=cpu"]
        numbers = ["--out", str(tmp_path / "out.pt"), "--epochs", "2", "--batch-size", "16"]
        monkeypatch.setattr("sys.argv", ["pretrain.py", *numbers, *own, *words])
        capfd.readouterr()
        code = script.main()
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def test_the_loss_is_equation_1_in_a_double_loop(script: ModuleType) -> None:
    projected = torch.randn(2 * 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    temperature, total = 0.3, 0.0

    def similarity(i: int, j: int) -> float:
        a, b = projected[i], projected[j]
        return float(a @ b / (a.norm() * b.norm())) / temperature

    for i in range(10):
        partner = i + 5 if i < 5 else i - 5
        others = sum(math.exp(similarity(i, k)) for k in range(10) if k != i)
        total -= math.log(math.exp(similarity(i, partner)) / others)
    assert script.nt_xent(projected, temperature).item() == pytest.approx(total / 10)


def test_views_that_agree_lose_less_than_views_that_do_not(script: ModuleType) -> None:
    one, other = torch.eye(4), torch.eye(4).roll(1, dims=0)
    assert script.nt_xent(torch.cat([one, one]), 0.5) < script.nt_xent(torch.cat([one, other]), 0.5)


def test_the_whole_picture_is_itself_and_its_mirror(views: ModuleType) -> None:
    x = torch.rand(2, 3, 6, 8)
    whole, centre = torch.ones(2, 2), torch.full((2, 2), 0.5)
    seen = views.cropped(x, whole, centre, torch.tensor([False, True]))
    torch.testing.assert_close(seen[0], x[0])
    torch.testing.assert_close(seen[1], x[1].flip(-1))


def test_a_crop_is_the_part_brought_to_the_whole_size(views: ModuleType) -> None:
    x = torch.rand(1, 3, 8, 8)
    corner = views.cropped(x, torch.tensor([[0.5, 0.5]]), torch.tensor([[0.75, 0.25]]), torch.tensor([False]))
    expected = torch.nn.functional.interpolate(x[:, :, :4, 4:], size=8, mode="bilinear", align_corners=False)
    torch.testing.assert_close(corner[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])  # at the edges it sees beyond


def test_crops_lie_within_the_picture_and_cover_no_less_than_they_may(views: ModuleType) -> None:
    generator = torch.Generator().manual_seed(0)
    size, centre, mirrored = views.Views(0.08, 0.5).boxes(1000, generator, torch.device("cpu"))
    assert ((centre - size / 2 >= -1e-6) & (centre + size / 2 <= 1 + 1e-6)).all()
    assert size.prod(dim=1).min() >= 0.08 * 0.74  # a side that is cut
    assert 0.4 < mirrored.float().mean() < 0.6


def test_hues_are_turned_by_a_circle_and_keep_their_luminance(views: ModuleType) -> None:
    x = torch.rand(3, 3, 4, 4) / 2 + 0.25
    torch.testing.assert_close(views.hue_turned(x, torch.tensor([0.0, 1.0, 0.0])), x)
    turned = views.hue_turned(x, torch.full((3,), 0.3))
    torch.testing.assert_close(views.grey(turned), views.grey(x), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(turned, x, atol=0.01)
    torch.testing.assert_close(views.grey(x), tv.rgb_to_grayscale(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_views_are_pictures_of_the_same_kind_and_depend_on_the_seed_alone(views: ModuleType, channels: int) -> None:
    x = torch.rand(20, channels, 8, 8)
    first, again, other = (views.Views(0.2, 0.5)(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == x.shape
    assert 0 <= first.min() <= first.max() <= 1 + 1e-6
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_epochs_are_said_and_the_file_begins_a_method(
    typed: Callable[..., Any], calrun: Callable[..., Any], archive: Path, tmp_path: Path
) -> None:
    code, out, err = typed()
    assert code == 0, err
    lines = out.splitlines()
    assert [line.split("  loss ")[0] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert all(0 < float(line.split("  loss ")[1]) < 10 for line in lines[:2])
    assert lines[2].endswith(f"method.start.path={tmp_path / 'out.pt'} begins with them")
    assert [path.name for path in tmp_path.glob("out.pt*")] == ["out.pt"]
    words = ["dataset=npz", f"dataset.path={archive}", "model=cnn", "model.width=4", "trainer=cpu"]
    budget = ["budget=counts", "budget.start=8", "budget.rounds=2", "trainer.max_epochs=1"]
    answer = calrun("run", *words, *budget, "method=linear_probe", f"method.start.path={tmp_path / 'out.pt'}")
    assert answer.code == 0, answer.err
    assert typed()[1] == f"{tmp_path / 'out.pt'} is finished: 2 epochs, loss {float(lines[1].split()[-1]):.4f}\n"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def test_the_seed_decides_and_labels_do_not(typed: Callable[..., Any], archive: Path, tmp_path: Path) -> None:
    assert typed()[0] == 0
    first = weights(tmp_path / "out.pt")
    assert typed("--out", str(tmp_path / "other.pt"), "seed=1")[0] == 0
    assert not torch.equal(weights(tmp_path / "other.pt")["0.weight"], first["0.weight"])
    kept = dict(np.load(archive))
    np.savez(archive, **{**kept, "y_train": kept["y_train"][::-1]})
    assert typed("--out", str(tmp_path / "again.pt"))[0] == 0
    assert all(torch.equal(value, weights(tmp_path / "again.pt")[name]) for name, value in first.items())


def test_killed_and_resumed_it_ends_as_the_unbroken_one(
    script: ModuleType, typed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed("--epochs", "3")[0] == 0
    whole = torch.load(tmp_path / "out.pt", weights_only=True)
    (tmp_path / "out.pt").unlink()
    loss, left = script.nt_xent, [6]  # 4 steps an epoch: within the second

    def dying(*words: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return loss(*words)

    monkeypatch.setattr(script, "nt_xent", dying)
    code, out, err = typed("--epochs", "3")
    assert (code, out.count("epoch")) == (130, 1)
    assert "the same command goes on" in err
    code, out, _ = typed("--epochs", "3")
    assert [line.split()[1] for line in out.splitlines()[:2]] == ["2/3", "3/3"]
    resumed = torch.load(tmp_path / "out.pt", weights_only=True)
    assert resumed["losses"] == whole["losses"]
    assert all(torch.equal(resumed["state_dict"][name], value) for name, value in whole["state_dict"].items())


def test_what_was_begun_with_other_words_is_not_gone_on_with(typed: Callable[..., Any], tmp_path: Path) -> None:
    assert typed()[0] == 0
    before = (tmp_path / "out.pt").read_bytes()
    code, _, err = typed("--lr", "0.1")
    assert code == 2
    assert "was begun with other words (lr 0.0003 then, 0.1 now); give another --out, or remove it" in err
    assert (tmp_path / "out.pt").read_bytes() == before
    torch.save({"weight": torch.zeros(1)}, tmp_path / "out.pt")
    assert "was not written by this script; give another --out" in typed()[2]


def test_the_rows_are_those_of_a_row_transform(typed: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("\n".join(map(str, range(40))))
    split = ["row_transform=split", f"row_transform.test_file={tmp_path / 'test.txt'}"]
    code, _, err = typed(*split)
    assert code == 0, err
    settings = json.loads(torch.load(tmp_path / "out.pt", weights_only=True)["settings"])
    assert settings["rows"][0] == 64 + 8 - 40


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "0", "--min-area", "2"], "--epochs 0, --min-area 2.0 cannot be; correct it"),
        (["--lr", "nan"], "--lr nan cannot be"),
        (["dataset=nothing"], "dataset=nothing is no option"),
        (["dataset.path=absent.npz"], "absent.npz"),
        (["row_transfrom=split"], "row_transfrom is no option, the nearest is row_transform"),
        (["model.width=-1"], "model"),
    ],
)
def test_what_cannot_be_is_one_sentence(typed: Callable[..., Any], words: list[str], said: str, tmp_path: Path) -> None:
    code, out, err = typed(*words)
    assert code == 2, out + err
    assert said in err
    assert err.startswith("pretrain: ")
    assert err.count("\n") == 1, err
    assert not [*tmp_path.glob("out.pt*")]


def test_rows_that_are_no_pictures_are_refused(typed: Callable[..., Any], tmp_path: Path) -> None:
    rows = {"x_train": np.zeros((8, 5)), "y_train": np.arange(8) % 2, "x_test": np.zeros((2, 5)), "y_test": [0, 1]}
    np.savez(tmp_path / "flat.npz", **rows)
    code, _, err = typed(f"dataset.path={tmp_path / 'flat.npz'}")
    assert code == 2
    assert "pre-training wants pictures (channels, height, width), but the data set gives inputs of shape (5,)" in err


@pytest.mark.slow
def test_it_runs_by_itself(archive: Path, tmp_path: Path) -> None:
    words = ["dataset=npz", f"dataset.path={archive}", "model=cnn", "model.width=4", "--epochs", "1", "--out", "o.pt"]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "pretrain.py"), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.pt").exists()
