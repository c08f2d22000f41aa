"""Tokens of characters by hand, of word pieces against transformers, and tokenizers that are none."""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from calrun.dataset.text.tokens import ALPHABET, Characters, WordPieces, tokenizer_of


def test_characters_are_the_papers_69_tokens() -> None:
    assert len(set(ALPHABET)) == 66
    assert Characters(9).vocabulary == 69
    assert Characters(9).kept_as == np.uint8


def test_characters_become_numbers_in_lower_case_and_texts_are_cut() -> None:
    tokens_E, lengths_N = Characters(4).encode(["Ab c!", "é\n", "{}"])
    assert lengths_N.tolist() == [4, 2, 2]
    assert tokens_E.tolist() == [3, 4, 2, 5, 1, 2, 67, 68]  # é is unknown, a line break a space
    assert tokens_E.dtype == np.uint8


@pytest.mark.parametrize("sign", ["\U0001f600", "\ud800", "İ"])
def test_characters_of_any_kind_are_unknown(sign: str) -> None:
    tokens_E, lengths_N = Characters(9).encode([sign + "a"])
    assert tokens_E[0] in (1, 11)  # the dotted I is an i and a dot in lower case
    assert len(tokens_E) == lengths_N.sum()
    assert tokens_E[-1] == 3


def test_word_pieces_are_the_tokenizers_own_plus_one(tiny_bert: Path) -> None:
    texts = ["very good", "bad cat.", ""]
    tokens_E, lengths_N = WordPieces(str(tiny_bert), 50).encode(texts)
    expected = AutoTokenizer.from_pretrained(tiny_bert)(texts)["input_ids"]
    assert lengths_N.tolist() == [len(each) for each in expected]
    assert tokens_E.tolist() == [token + 1 for each in expected for token in each]
    assert tokens_E.dtype == np.uint8
    assert tokens_E.min() > 0


def test_word_pieces_are_cut_with_the_last_special_token_kept(tiny_bert: Path) -> None:
    tokens_E, lengths_N = WordPieces(str(tiny_bert), 4).encode(["very very very very"])
    assert lengths_N.tolist() == [4]
    assert tokens_E.tolist()[::3] == [3, 4]


def test_a_digest_tells_other_tokenizers_and_lengths_apart(tiny_bert: Path) -> None:
    digests = [Characters(4).digest, Characters(5).digest, WordPieces(str(tiny_bert), 4).digest]
    digests.append(WordPieces(str(tiny_bert), 5).digest)
    assert len(set(digests)) == 4
    assert WordPieces(str(tiny_bert), 5).digest == digests[3]


def test_what_is_no_tokenizer_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name in (str(tmp_path), str(tmp_path / "nowhere")):
        with pytest.raises(ValueError, match=r"dataset.tokenizer=") as refused:
            tokenizer_of(name, 10)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"dataset.max_length wants 1 token or more, got 0"):
        tokenizer_of("characters", 0)
