"""Encoders of pictures of transformers, from folders made here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, ConvNextConfig, ConvNextModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from calrun.model.adapt.hub import place_of, unreachable
from calrun.model.base import Classifier
from calrun.model.hf_vision import hf_vision

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def build(folder: Path, shape: tuple[int, ...] = (3, 32, 32), pretrained: bool = True, **more: Any) -> Classifier:
    torch.manual_seed(1)
    return hf_vision(5, shape, str(folder), pretrained, **more)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(2))


def test_features_of_a_vit_are_its_class_token(tiny_vit: Path) -> None:
    net, x = build(tiny_vit).eval(), drawn(3, 32, 32)
    with torch.no_grad():
        expected = AutoModel.from_pretrained(tiny_vit).eval()(x).last_hidden_state[:, 0]
        torch.testing.assert_close(net(x).features_BD, expected)


def test_dinov2_gives_its_class_token_which_is_its_pooled_output(tmp_path: Path) -> None:
    Dinov2Model(Dinov2Config(image_size=32, patch_size=8, mlp_ratio=2, **SIZES)).save_pretrained(tmp_path)
    x = drawn(3, 32, 32)
    with torch.no_grad():
        found = build(tmp_path).eval()(x).features_BD
        seen = AutoModel.from_pretrained(tmp_path).eval()(x)
    torch.testing.assert_close(found, seen.last_hidden_state[:, 0])
    torch.testing.assert_close(found, seen.pooler_output)


def test_convnext_gives_its_pooled_output(tmp_path: Path) -> None:
    sizes = {"hidden_sizes": [4, 8, 8, 16], "depths": [1, 1, 1, 1]}
    ConvNextModel(ConvNextConfig(**sizes)).save_pretrained(tmp_path)
    x = drawn(3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            build(tmp_path).eval()(x).features_BD, AutoModel.from_pretrained(tmp_path).eval()(x).pooler_output
        )
    with pytest.raises(ValueError, match=r"has no class token, which model\.features=cls wants"):
        build(tmp_path, features="cls")


def test_the_pooled_output_of_a_vit_can_be_asked_for(tiny_vit: Path) -> None:
    net, x = build(tiny_vit, features="pooled").eval(), drawn(3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net(x).features_BD, AutoModel.from_pretrained(tiny_vit).eval()(x).pooler_output)


def test_weights_come_from_the_folder_unless_they_are_to_be_random(tiny_vit: Path) -> None:
    stored = AutoModel.from_pretrained(tiny_vit).embeddings.cls_token
    found = [build(tiny_vit, pretrained=each).backbone.encoder.embeddings.cls_token for each in (True, False)]
    assert torch.equal(found[0], stored)
    assert not torch.equal(found[1], stored)


def test_positions_are_interpolated_for_another_size(tiny_vit: Path) -> None:
    net, x = build(tiny_vit, (3, 48, 40)).eval(), drawn(3, 48, 40)
    with torch.no_grad():
        expected = AutoModel.from_pretrained(tiny_vit).eval()(x, interpolate_pos_encoding=True).last_hidden_state[:, 0]
        torch.testing.assert_close(net(x).features_BD, expected)


def test_grey_pictures_are_shown_as_grey_ones_and_other_channels_refused(tiny_vit: Path) -> None:
    x = drawn(1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            build(tiny_vit, (1, 32, 32)).eval()(x).features_BD,
            build(tiny_vit).eval()(x.expand(2, 3, 32, 32)).features_BD,
        )
    with pytest.raises(ValueError, match=r"wants pictures of 3 channels \(or 1\), but the data set gives 4"):
        build(tiny_vit, (4, 32, 32))


def test_an_encoder_that_takes_grey_pictures_gets_them_as_they_are(tmp_path: Path) -> None:
    ViTModel(ViTConfig(image_size=32, patch_size=8, num_channels=1, **SIZES)).save_pretrained(tmp_path)
    assert build(tmp_path, (1, 32, 32))(drawn(1, 32, 32)).features_BD.shape == (2, 16)


def test_texts_and_encoders_of_texts_are_refused(tiny_vit: Path, tiny_bert: Path) -> None:
    with pytest.raises(ValueError, match=r"wants pictures \(channels, height, width\), but the data set gives inputs"):
        build(tiny_vit, (20,))
    with pytest.raises(ValueError, match="is an encoder of bert, which reads no pictures; choose model=transformer"):
        build(tiny_bert)


def test_a_folder_without_an_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nothing"}))
    with pytest.raises(ValueError, match=r"model\.path=.* cannot be loaded ") as refused:
        build(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_name_without_a_network_is_one_sentence(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    unreachable.cache_clear()
    line = refusal("run", *small, "model=hf_vision", "model.path=facebook/no-such-vit")
    assert "model.path=facebook/no-such-vit cannot be loaded" in line
    assert (
        "give a folder with an encoder of transformers, or its name at huggingface.co and a network connection" in line
    )


@pytest.mark.parametrize("path", ["/no/such/folder", "./missing", "~/missing", "a/b/c", "."])
def test_a_place_without_an_encoder_is_refused_before_any_network(
    path: str, refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*words: object, **options: object) -> None:
        raise AssertionError("a network was asked")

    monkeypatch.setattr("huggingface_hub.get_session", ask)
    line = refusal("run", *small, "model=hf_vision", f"model.path={path}")
    assert (f"model.path={Path(path).expanduser() if path[0] == '~' else path} is no folder" in line) == (path != ".")


@pytest.mark.parametrize("name", ["/no/such/folder", "./missing", "a/b/c"])
def test_what_can_only_be_a_folder_is_never_looked_up(name: str) -> None:
    with pytest.raises(ValueError, match="there is no such folder"):
        place_of(name)


def test_a_name_is_given_up_at_once_where_there_is_no_network(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Session:
        def head(self, *words: object, **options: object) -> None:
            asked.append(options["timeout"])
            raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.get_session", Session)
    unreachable.cache_clear()
    try:
        line = refusal("run", *small, "model=hf_vision", "model.path=facebook/no-such-vit")
    finally:
        unreachable.cache_clear()
    assert "was not downloaded before, and https://huggingface.co cannot be reached (no route to host)" in line
    assert asked == [5.0]


def test_a_run_by_its_folder(
    calrun: Callable[..., Any], small: tuple[str, ...], pictures: Path, tiny_vit: Path
) -> None:
    words = [word for word in small if not word.startswith(("dataset", "model"))]
    answer = calrun(
        "run", *words, "dataset=image_folder", f"dataset.root={pictures}", "model=hf_vision",
        f"model.path={tiny_vit}", "budget.start=8", "budget.step=4", "budget.rounds=2", "acquisition=badge",
    )  # fmt: skip
    assert answer.code == 0, answer.err
