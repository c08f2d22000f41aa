"""What a user types after a command, before Hydra reads it: misspelt names, quotes, ~ and unknown options."""

import re
import shlex
from argparse import ArgumentError
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

SEPARATOR = "; also: "  # stands between the problems of a configuration
VALUED = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")
HOME = re.compile(r"""([^=]+)=(['"]?)(~(?:/[^'"]*)?)\2""")  # a ~ that a shell left alone because of the = before it
SIGNS = "=()[]{}~#,;&:'\"`^<>! "  # characters that mean something else to Hydra, or that it does not know


def options_last(words: list[str]) -> list[str]:
    """Returns the words with Hydra's own options last: its parser refuses overrides on both sides of them."""
    overrides: list[str] = []
    options: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        is_value = before in VALUED or (before in ("--info", "-i") and "=" not in word)
        (options if word.startswith("-") or is_value else overrides).append(word)
    return [*overrides, *options]


def refuse_options(words: list[str], keys: Callable[[], list[str]]) -> None:
    """Refuses words that look like options but are not Hydra's: values are given as KEY=VALUE.

    Args:
        words: as typed.
        keys: returns the keys that could have been meant.

    Raises:
        ValueError: with what to write instead.
    """
    for word in words:
        if word.startswith("="):
            raise ValueError(misread(word))
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        _, unknown = parser.parse_known_args(options_last(words))
    except ArgumentError as error:
        raise ValueError(f"{error}; calrun run --hydra-help says what Hydra's options take") from error
    for word in unknown:
        name, sign, value = word.lstrip("-").replace("-", "_").partition("=")
        if key := nearest(name, keys()):
            value = word.partition("=")[2] if sign else _after(word, words)
            raise ValueError(f"{word} is no option; values are given as KEY=VALUE: write {key}={value}")
        close = get_close_matches(word, parser._option_string_actions, n=1)
        hint = f"the nearest is {close[0]}" if close else "values are given as KEY=VALUE, such as seed=3"
        raise ValueError(f"{word} is no option; {hint}")


def nearest(name: str, names: Iterable[str], elsewhere: bool = True) -> str:
    """Returns the name that was most likely meant, or nothing.

    Args:
        name: as typed, perhaps without the path before it.
        names: dotted paths to choose from; of several with the same last name, the one with the fewest dots wins.
        elsewhere: whether a path with the same last name counts, wherever it lies.
    """
    names = sorted(names, key=lambda each: each.count("."))
    where, _, last = name.rpartition(".")
    if name in names:
        return name
    ends = {each.rpartition(".")[2]: each for each in reversed(names)}
    if elsewhere and last in ends:
        return ends[last]
    beside = {each.rpartition(".")[2]: each for each in names if each.rpartition(".")[0] == where}
    close = [beside[end] for end in get_close_matches(last, beside, n=1, cutoff=0.7)]
    if elsewhere and not close:
        near = {end: each for end, each in ends.items() if not where or each.startswith(name.partition(".")[0] + ".")}
        close = [near[end] for end in get_close_matches(last, near, n=1, cutoff=0.8)]
    return close[0] if close else ""


def at_home(word: str) -> str:
    """Returns an override in which a ~ at the beginning of the value has become the home folder, as in a shell."""
    if found := HOME.fullmatch(word):
        return quoted(found[1], str(Path(found[3]).expanduser()))
    return word


def quoted(key: str, value: str) -> str:
    """Returns an override that gives Hydra this text, whatever characters it holds."""
    escaped = re.sub(r"(\\*)(')", r"\1\1\\'", value)  # backslashes before a quote, and at the end, are doubled
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"{key}='{escaped}'"


def typed(override: str) -> str:
    """Returns an override as it has to be typed in a shell."""
    if "!" in override:  # which recalls an older command, even within double quotes
        return shlex.quote(override)
    escaped = re.sub(r'(["$`\\])', r"\\\1", override)
    return f'"{escaped}"' if re.search(r"[^\w./=@+,%-]", override) else override


def misread(word: str) -> str:
    """Says why Hydra cannot read an override, and how to write it."""
    key, sign, value = word.partition("=")
    if not sign:
        return f"'{word}' has no =; write GROUP=OPTION or KEY=VALUE"
    if not key:
        return f"{word} has nothing before its =; write GROUP=OPTION or KEY=VALUE"
    if value.endswith(",") and _is_read(stripped := word.rstrip(", ")):
        return f"{word} ends with a comma; write {stripped}"
    mended = quoted(key, value)
    if not _is_read(mended):
        return f"{word} is neither GROUP=OPTION nor KEY=VALUE: a key is made of letters, digits, _ and dots"
    signs = dict.fromkeys(each for each in value if each in SIGNS or not each.isascii())
    shown = " and ".join("a space" if each == " " else each for each in signs) or "it"
    verb = "mean" if len(signs) > 1 else "means"
    because = f"{shown} {verb} something else to Hydra"
    return f"{word} cannot be read, for {because}; put quotes inside the quotes: {typed(mended)}"


def _is_read(word: str) -> bool:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def _after(word: str, words: list[str]) -> str:
    """Returns the value that follows an option, as in other programs."""
    following = words[words.index(word) + 1 :]
    return following[0] if following and "=" not in following[0] and following[0][:1] != "-" else "VALUE"
