"""Texts to small whole numbers: characters of an alphabet, or the word pieces of a `transformers` tokenizer.

Wherever tokens are kept 0 is padding, so that a mask can be read off them: a tokenizer's own id i stands as i + 1.

Dimension key: N texts, E tokens of all texts.
"""

import codecs
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from calrun.dataset.base import Inputs
from calrun.model.adapt.hub import hub, place_of

CHARACTERS = "characters"
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/|_#$%^&*~`+=<>()[]{}"
UNKNOWN, SPACE, FIRST = 1, 2, 3  # 0 is padding; the alphabet begins at FIRST
BYTES = 256
OTHERS = "calrun.others"  # how characters that are not ASCII are encoded: each as one of no alphabet
DIGEST_BYTES = 8

codecs.register_error(OTHERS, lambda error: ("\0" * (error.end - error.start), error.end))  # type: ignore[attr-defined]


class Tokenizer(ABC):
    """One way from texts to tokens.

    Args:
        vocabulary: how many values a token can have, padding included.
        digest: the same for tokenizers that do the same.
    """

    vocabulary: int
    digest: str

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the tokens of all texts (E,), in the smallest type that holds them, and how many each has (N,)."""

    @property
    def kept_as(self) -> np.dtype[Any]:
        """The smallest type that holds every token."""
        kinds = (np.uint8, np.uint16, np.int32)
        return np.dtype(next(kind for kind in kinds if self.vocabulary - 1 <= np.iinfo(kind).max))


def tokenizer_of(name: str, max_length: int) -> Tokenizer:
    """Returns a tokenizer.

    Args:
        name: `characters`, a folder that holds a tokenizer of `transformers`, or its name at huggingface.co.
        max_length: tokens that a text keeps.

    Raises:
        ValueError: if there is none of this name, or a text would keep none.
    """
    if max_length < 1:
        raise ValueError(f"dataset.max_length wants 1 token or more, got {max_length}")
    return Characters(max_length) if name == CHARACTERS else WordPieces(name, max_length)


def known_tokenizer(name: str, max_length: int, inputs: Inputs) -> Tokenizer:
    """Returns the tokenizer of a network that is trained.

    Raises:
        ValueError: if it is not the one that the network was trained with.
    """
    words = tokenizer_of(name, max_length)
    if words.vocabulary != inputs.vocabulary:
        raise ValueError(
            f"the tokenizer {name} has {words.vocabulary - 1:,} words, but the network was trained on "
            f"{(inputs.vocabulary or 1) - 1:,}; put the files of the training back there"
        )
    return words


class Characters(Tokenizer):
    """The 69 tokens of Conneau et al. 2017, "Very Deep Convolutional Networks for Text Classification", Sec. 4.2.

    66 characters of texts in lower case, and padding, space and unknown. The paper's print has lost the _ between | and
    #, and sets the plain marks of a keyboard as typographic ones; with these it counts 66, as it says.

    Args:
        max_length: characters that a text keeps.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.vocabulary = FIRST + len(ALPHABET)
        self.digest = digest_of(CHARACTERS, ALPHABET, max_length)
        token_of = np.full(BYTES, UNKNOWN, dtype=np.uint8)
        for alphabet in (ALPHABET, ALPHABET.upper()):
            token_of[[ord(sign) for sign in alphabet]] = np.arange(FIRST, self.vocabulary)
        token_of[[ord(sign) for sign in " \t\n\r"]] = SPACE
        self.token_of = token_of.tobytes()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        kept = [(text if text.isascii() else text.lower())[: self.max_length] for text in texts]
        tokens = "".join(kept).encode("ascii", OTHERS).translate(self.token_of)  # many times as fast as an index
        return np.frombuffer(tokens, np.uint8), np.fromiter(map(len, kept), dtype=np.int64, count=len(kept))


class WordPieces(Tokenizer):
    """A tokenizer of `transformers`, with its special tokens around each text.

    Args:
        name: a folder, which is read without a network, or a name at huggingface.co.
        max_length: tokens that a text keeps, special ones included.

    Raises:
        ValueError: if none can be loaded, or it makes no tokens.
    """

    def __init__(self, name: str, max_length: int) -> None:
        self.max_length = max_length
        self.tokenizer = loaded(name)
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        says = json.dumps(self.tokenizer.get_vocab(), sort_keys=True) if backend is None else backend.to_str()
        self.vocabulary = len(self.tokenizer) + 1
        self.digest = digest_of(type(self.tokenizer).__name__, says, max_length)
        if len(self.encode(["a word"])[0]) < 2 or len(self.tokenizer) <= len(self.tokenizer.all_special_tokens):
            raise ValueError(
                f"dataset.tokenizer={name} has a vocabulary of {len(self.tokenizer)} words and tells no texts apart; "
                "give the folder that holds its vocabulary (tokenizer.json or vocab.txt)"
            )

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        ids: list[list[int]] = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        lengths_N = np.array([len(each) for each in ids], dtype=np.int64)
        tokens_E = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(lengths_N.sum())) + 1
        return tokens_E.astype(self.kept_as), lengths_N


def loaded(name: str) -> Any:
    """Returns a tokenizer of `transformers`."""
    try:
        place, offline = place_of(name)
        return hub().AutoTokenizer.from_pretrained(place, **offline)
    except Exception as error:  # of many kinds, by what is missing or damaged
        reason = next(filter(None, str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"dataset.tokenizer={name} (by default model.path) cannot be loaded ({reason}); give a folder with a "
            f"tokenizer of transformers, its name at huggingface.co, or {CHARACTERS}"
        ) from error


def digest_of(*parts: object) -> str:
    """Returns a short digest of texts and numbers."""
    return hashlib.blake2b(json.dumps(parts).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
