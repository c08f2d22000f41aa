"""A user's text is text: nothing in a name from a folder or a configuration is markup, a formula or an instruction.

What comes from folders passes `printable` where it is read; each output then guards against what it would interpret.
"""

import hashlib
import re

import numpy as np
import pandas as pd
from rich.console import Console
from rich.text import Text

PLAIN_PART = re.compile(r"[a-z0-9_.]+")  # parts that no file system takes for one another
LONGEST_NAME, SHORTENED_NAME = 60, 40
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet reads as the start of a formula
NARROW = str.maketrans({"─": "-", "±": "+/-", "×": "x", "–": "-", "∞": "inf", "…": "...", "λ": "lambda", "·": "-"})


def printable(text: str) -> str:
    """Returns `text` with control characters and broken bytes spelled out, so that no terminal or file obeys them."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def file_name(*parts: str) -> str:
    """Returns a short name for a file, the same for the same parts and another for other parts.

    Parts of small letters and digits are joined as they are. If there are others, or many, only the beginning of each
    is kept for the reader, up to a bracket, and a hash tells names apart, whatever the file system makes of case.
    """
    whole = "-".join(parts)
    if all(PLAIN_PART.fullmatch(part) for part in parts) and len(whole) <= LONGEST_NAME:
        return whole
    told = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    words = ["-".join(PLAIN_PART.findall(part.lower().partition(" (")[0])) for part in parts]
    room = SHORTENED_NAME if len("-".join(words)) <= SHORTENED_NAME else SHORTENED_NAME // len(words)
    begins = "-".join(word[:room] for word in words if word).strip("-.")
    return f"{begins}-{told}" if begins else told


def neutral(text: str) -> str:
    """Returns a text cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def neutral_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns `frame` with the texts in it, and the names of its columns, neutral; numbers stay numbers."""
    mended = frame.rename(columns=lambda column: neutral(str(column)))
    for column in mended.select_dtypes(exclude=np.number):
        mended[column] = mended[column].map(lambda cell: neutral(cell) if isinstance(cell, str) else cell)
    return mended


def shown(text: str, encoding: str) -> str:
    """Returns `text` as a terminal of this encoding can show it."""
    if can_show(text, encoding):
        return text
    return text.translate(NARROW).encode(encoding, "replace").decode(encoding)


def can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def encoding_of(console: Console) -> str:
    """Returns the encoding of the console's file; a file without one takes everything."""
    return getattr(console.file, "encoding", None) or "utf-8"


def say(console: Console, text: str | Text, style: str = "") -> None:
    """Prints text as it is: no markup, no emoji codes, no line breaks of the terminal's own."""
    if isinstance(text, str):
        text = Text(shown(text, encoding_of(console)), style=style)
    console.print(text, highlight=False, soft_wrap=True)
