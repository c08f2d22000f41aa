"""Any encoder of `transformers`, by its name at huggingface.co or from a local folder.

As the code of Das et al. 2023: the hidden state of the first token ([CLS]) goes into a linear head, with neither pooler
nor further dropout between them.

Dimension key: B batch, T tokens, D features.
"""

from typing import Any

import torch
from torch import Tensor, nn

from calrun.dataset.source.ragged import PADDING
from calrun.model.adapt.adapter import first_line
from calrun.model.adapt.hub import hub, place_of
from calrun.model.base import Classifier

SHIFTED = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")  # whose positions begin after that of padding
LEAST_SHARE = 0.9  # of the words a network knows that its tokenizer has: some vocabularies are rounded up


def transformer(
    num_classes: int, input_shape: tuple[int, ...], vocabulary: int | None, path: str, pretrained: bool
) -> Classifier:
    """Returns the encoder and a new head on its first token.

    Args:
        num_classes: C.
        input_shape: (T,), the tokens of the longest text.
        vocabulary: how many values a token of the data set can have, padding included; `None` if its rows are no
            tokens.
        path: a folder, which is read without a network, or a name at huggingface.co.
        pretrained: whether the weights that lie there are taken; otherwise those are random, of the same shape.

    Raises:
        ValueError: if there is no such encoder, or it cannot take the data set's tokens.
    """
    if vocabulary is None:
        raise ValueError(
            f"model=transformer wants texts, but the data set gives inputs of shape {tuple(input_shape)}; choose "
            "dataset=text_table, say, or another model"
        )
    encoder = loaded(path, pretrained)
    refuse_other_words(path, encoder.config, vocabulary)
    refuse_short(path, encoder.config, input_shape[0])
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return Classifier(FirstToken(encoder), encoder.config.hidden_size, num_classes)


class FirstToken(nn.Module):
    """Maps tokens (B, T) to the hidden state of the first one (B, D); 0 is padding, and i + 1 the encoder's own i."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.fill = encoder.config.pad_token_id or 0

    def forward(self, x: Tensor) -> Tensor:
        inside_BT = x != PADDING
        ids_BT = torch.where(inside_BT, x - 1, self.fill)
        hidden: Tensor = self.encoder(input_ids=ids_BT, attention_mask=inside_BT.long()).last_hidden_state
        return hidden[:, 0]


def loaded(path: str, pretrained: bool) -> Any:
    """Returns an encoder without a head, in single precision."""
    transformers = hub()
    try:
        place, offline = place_of(path)
        if pretrained:
            return transformers.AutoModel.from_pretrained(place, **offline).float().train()
        return transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(place, **offline)).train()
    except Exception as error:  # of many kinds, by what is missing or damaged
        raise ValueError(
            f"model.path={path} cannot be loaded ({first_line(error)}); give a folder with an encoder of transformers, "
            "or its name at huggingface.co and a network connection"
        ) from error


def refuse_other_words(path: str, config: Any, vocabulary: int) -> None:
    """Raises a ValueError if the data set's tokens are not those of the encoder."""
    words, known = vocabulary - 1, config.vocab_size
    if not LEAST_SHARE * known <= words <= known:
        raise ValueError(
            f"the data set's tokenizer has {words:,} words, but the encoder at {path} knows {known:,}; set "
            "dataset.tokenizer to the encoder's own, which is the default"
        )


def refuse_short(path: str, config: Any, length: int) -> None:
    """Raises a ValueError if a text can be longer than the encoder's positions."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return
    most = positions - (config.pad_token_id + 1 if config.model_type in SHIFTED else 0)
    if length > most:
        raise ValueError(
            f"dataset.max_length is {length}, but the encoder at {path} has positions for {most} tokens; lower it"
        )
