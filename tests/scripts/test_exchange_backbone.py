"""The head of a fine-tuned network on the pre-trained backbone (scripts/exchange_backbone.py)."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import torch

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the script as typed; returns its exit code and what it printed."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import exchange_backbone

    script: ModuleType = exchange_backbone

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["exchange_backbone.py", *words])
        capfd.readouterr()
        code = script.main()
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


SVPP = ("method=svpp", "method.proxy.stop.epochs=2", "acquisition=regions", "record.keep_states=true")


def test_the_loss_is_that_of_the_head_on_the_first_backbone(
    play: Callable[..., Any], typed: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    words = ("acquisition.mode=replace", "acquisition.regions=[A2,B2]", "acquisition.share=0.2")
    assert play(*SVPP, *words, "method.evaluate_at=every").code == 0
    code, out, err = typed(str(tmp_path / "outputs"), "--out", str(tmp_path / "exchange.csv"))
    assert (code, err) == (0, "")
    assert out.count("  loss") == 3
    measured = pd.read_csv(tmp_path / "exchange.csv")
    lines = pd.read_json(run_folder() / "rounds.jsonl", lines=True)
    assert measured["accuracy"].tolist() == pytest.approx([line["test"]["accuracy"] for line in lines["test"]])
    assert measured["loss"].tolist() == pytest.approx((measured["accuracy"] - measured["exchanged"]).tolist())
    state = torch.load(run_folder() / "state-3.pt")
    state["full"]["net"] |= {
        name: tensor for name, tensor in state["sight"]["backbone"].items() if name.startswith("backbone.")
    }
    torch.save(state, run_folder() / "state-3.pt")  # a network whose backbone never moved loses nothing
    typed(str(tmp_path / "outputs"), "--out", str(tmp_path / "again.csv"))
    again = pd.read_csv(tmp_path / "again.csv")
    assert again["exchanged"].tolist() == pytest.approx(measured["exchanged"].tolist())
    assert again["loss"].iloc[-1] == 0 != measured["loss"].iloc[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("method=finetune",), "keeps no backbone beside its network; play it with method=svpp"),
        (
            ("method=asvp", "method.update_at=[20]", "method.proxy.stop.epochs=2"),
            "has computed its features anew, so its backbone is no longer the pre-trained one",
        ),
    ],
)
def test_runs_without_a_pre_trained_backbone_are_left_out(
    words: tuple[str, ...], said: str, play: Callable[..., Any], typed: Callable[..., Any], tmp_path: Path
) -> None:
    assert play(*words, "acquisition=margin", "record.keep_states=true", "budget.rounds=2").code == 0
    code, _, err = typed(str(tmp_path / "outputs"))
    assert code == 2
    assert said in err
    assert err.splitlines()[-1] == "exchange_backbone: no run can be measured (of runs looked at: 1)"
