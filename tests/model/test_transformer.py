"""Encoders of transformers: masks, the first token, what does not fit together, and no network."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, RobertaConfig, RobertaModel

from calrun.model.base import Classifier
from calrun.model.transformer import transformer

WORDS = 61  # of the tiny BERT


def build(folder: Path, length: int = 20, words: int = WORDS, pretrained: bool = True) -> Classifier:
    return transformer(3, (length,), words + 1, str(folder), pretrained)


def test_features_are_the_hidden_state_of_the_first_token_as_transformers_computes_it(tiny_bert: Path) -> None:
    net, encoder = build(tiny_bert).eval(), AutoModel.from_pretrained(tiny_bert).eval()
    batch = AutoTokenizer.from_pretrained(tiny_bert)(["very good", "bad, bad cat."], padding=True, return_tensors="pt")
    x = torch.where(batch["attention_mask"] > 0, batch["input_ids"] + 1, 0)
    with torch.no_grad():
        expected = encoder(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state[:, 0]
        torch.testing.assert_close(net(x).features_BD, expected)


def test_padding_changes_no_row(tiny_bert: Path) -> None:
    net, x = build(tiny_bert).eval(), torch.tensor([[3, 9, 8, 4]])
    with torch.no_grad():
        torch.testing.assert_close(net(torch.nn.functional.pad(x, (0, 9))).logits_BC, net(x).logits_BC)


def test_an_encoder_whose_padding_is_not_0_is_padded_with_its_own(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    RobertaModel(RobertaConfig(vocab_size=30, max_position_embeddings=12, pad_token_id=1, **sizes)).save_pretrained(
        tmp_path
    )
    net, x = build(tmp_path, length=10, words=30).eval(), torch.tensor([[1, 9, 8, 3]])
    with torch.no_grad():
        torch.testing.assert_close(net(torch.nn.functional.pad(x, (0, 6))).logits_BC, net(x).logits_BC)
    with pytest.raises(ValueError, match=r"max_length is 11, but the encoder at .* has positions for 10 tokens"):
        build(tmp_path, length=11, words=30)


def test_every_parameter_learns_for_there_is_no_pooler(tiny_bert: Path) -> None:
    net = build(tiny_bert)
    net(torch.tensor([[3, 9, 8, 4]])).logits_BC.sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []
    assert net.training


def test_weights_come_from_the_folder_unless_they_are_to_be_random(tiny_bert: Path) -> None:
    stored = AutoModel.from_pretrained(tiny_bert).embeddings.word_embeddings.weight
    found = [
        build(tiny_bert, pretrained=each).backbone.encoder.embeddings.word_embeddings.weight for each in (True, False)
    ]
    assert torch.equal(found[0], stored)
    assert not torch.equal(found[1], stored)


@pytest.mark.parametrize("words", [WORDS - 10, WORDS + 1])
def test_a_tokenizer_of_other_words_is_refused(tiny_bert: Path, words: int) -> None:
    with pytest.raises(ValueError, match=f"tokenizer has {words} words, but the encoder at .* knows {WORDS}"):
        build(tiny_bert, words=words)


def test_texts_longer_than_its_positions_are_refused(tiny_bert: Path) -> None:
    with pytest.raises(
        ValueError, match=r"max_length is 65, but the encoder at .* has positions for 64 tokens; lower it"
    ):
        build(tiny_bert, length=65)


def test_pictures_are_refused(tiny_bert: Path) -> None:
    with pytest.raises(
        ValueError, match=r"model=transformer wants texts, but the data set gives inputs of shape \(1, 8, 8\)"
    ):
        transformer(3, (1, 8, 8), None, str(tiny_bert), True)


def test_a_folder_without_an_encoder_is_refused_in_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "nothing"}))
    (tmp_path / "empty").mkdir()
    for name in ("cut", "other", "empty"):
        with pytest.raises(ValueError, match=f"model.path=.*{name} cannot be loaded ") as refused:
            build(tmp_path / name)
        assert "\n" not in str(refused.value)
