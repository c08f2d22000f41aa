"""`calrun.load`: a run folder alone is a network."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import calrun

Run = Callable[..., Path]


def accuracies(folder: Path) -> list[float]:
    return [json.loads(line)["test"]["test"]["accuracy"] for line in (folder / "rounds.jsonl").read_text().splitlines()]


def measured(folder: Path, arrays: dict[str, np.ndarray], number: int | None = None) -> float:
    """The accuracy on the test rows, by what a user can do with what is loaded."""
    trained = calrun.load(folder, number)
    with torch.no_grad():
        logits_NC = trained.net(trained.transform(torch.from_numpy(arrays["x_test"]))).logits_BC
    return float((logits_NC.argmax(1).numpy() == arrays["y_test"]).mean())


def test_a_moved_folder_gives_the_network_that_the_run_evaluated(moved: Run, arrays: dict[str, np.ndarray]) -> None:
    folder = moved("record.keep_states=true")
    assert len({*accuracies(folder)}) > 1
    found = [measured(folder, arrays, number) for number in (1, 2, 3)]
    assert found == pytest.approx(accuracies(folder))
    assert measured(folder, arrays) == found[-1]
    trained = calrun.load(str(folder))
    assert trained.class_names == ["dark", "grey", "bright"]
    assert not trained.net.training


def test_the_transform_is_that_of_the_training_rows(moved: Run, arrays: dict[str, np.ndarray]) -> None:
    trained, x = calrun.load(moved()), arrays["x_train"]
    expected = (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(trained.transform(torch.from_numpy(x)), expected, rtol=1e-4, atol=1e-4)


def test_the_transform_refuses_what_is_no_stored_row(moved: Run) -> None:
    with pytest.raises(ValueError, match=r"wants stored rows as a tensor .* got Image; rows\(PLACE\)"):
        calrun.load(moved()).transform(Image.new("RGB", (4, 4)))


def test_loading_draws_no_random_number_and_leaves_the_folder_as_it_is(moved: Run) -> None:
    folder = moved("model.dropout=0.5")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    calrun.load(folder)
    assert torch.rand(1) == expected
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_weights_that_the_model_began_with_are_not_asked_for(
    calrun_: Callable[..., Any], pictures: Path, run_folder: Callable[[], Path]
) -> None:
    words = ("dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=32", "dataset.picture.resize=32")
    small = ("model=timm", "model.model_name=resnet10t", "trainer.max_epochs=1", "budget=counts", "budget.start=6")
    answer = calrun_("run", *words, *small, "budget.rounds=1", "dataset.num_workers=0", "trainer=cpu")
    assert answer.code == 0, answer.err
    config = yaml.safe_load((run_folder() / "config.yaml").read_text())
    config["model"] |= {"checkpoint": "gone.pt"}
    (run_folder() / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    assert calrun.load(run_folder()).class_names == ["bright", "dark"]


@pytest.fixture
def calrun_(calrun: Callable[..., Any]) -> Callable[..., Any]:
    """The command, beside the module of the same name."""
    return calrun


def test_a_method_of_several_networks_gives_the_one_that_it_evaluates(
    calrun_: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    toy = Path(__file__).parents[1] / "extension" / "svp"
    shutil.copytree(toy, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    words = (
        "--config-dir",
        str(tmp_path / "conf"),
        "method=toy_svp",
        "model=mlp",
        "trainer=cpu",
        "trainer.max_epochs=2",
    )
    answer = calrun_("run", *words, "budget=counts", "budget.start=20", "budget.rounds=1")
    assert answer.code == 0, answer.err
    trained = calrun.load(run_folder())
    state = torch.load(run_folder() / "state-1.pt", weights_only=True)
    torch.testing.assert_close(dict(trained.net.state_dict()), state["whole"]["net"])


def test_what_is_no_trained_run_is_refused_in_one_sentence(moved: Run, tmp_path: Path) -> None:
    folder = moved()
    with pytest.raises(ValueError, match=r"is no run folder .*; give the folder of one run"):
        calrun.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"give one of the runs in it, such as .*elsewhere"):
        calrun.load(tmp_path)
    with pytest.raises(ValueError, match="has rounds 1 to 3, but round 4 is asked for"):
        calrun.load(folder, 4)
    with pytest.raises(ValueError, match=r"no state of round 1 .* those of rounds 3; record.keep_states=true"):
        calrun.load(folder, 1)
    (folder / "state-3.pt").unlink()
    with pytest.raises(ValueError, match=r"no state of round 3 \(state-3.pt\), but there is none"):
        calrun.load(folder)
    (folder / "rounds.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no finished round yet"):
        calrun.load(folder)


def test_damage_is_said_with_the_name_of_the_file(moved: Run) -> None:
    folder = moved()
    whole = (folder / "state-3.pt").read_bytes()
    (folder / "state-3.pt").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"state-3.pt is damaged \(BadZipFile\)"):
        calrun.load(folder)
    (folder / "state-3.pt").write_bytes(whole)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"class_names": ["one", "two"], "complete": True}))
    with pytest.raises(ValueError, match=r"state-3.pt is damaged \(RuntimeError\)"):
        calrun.load(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "inputs.json").write_text('{"shape": [5]')
    with pytest.raises(ValueError, match=r"inputs.json is damaged \(JSONDecodeError\)"):
        calrun.load(folder)
    (folder / "inputs.json").unlink()
    with pytest.raises(ValueError, match="begun before runs recorded what their network takes"):
        calrun.load(folder)


def test_importing_calrun_imports_nothing_that_trains() -> None:
    script = "import sys, calrun, calrun.cli; calrun.load; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pytorch_lightning", "pandas"} & set(ended.stdout.split())
