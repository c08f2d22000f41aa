"""What the class or function of a `_target_` says about itself, read from its source without importing it."""

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Optional, Union

from calrun.folder.code import specs_of

SENTENCE = re.compile(r"(?<!\bal)(?<!\bApp)(?<!\bSec)(?<!\bAlg)(?<!\bEq)(?<!\bFig)\.\s+(?=[A-Z(])")

PLAIN = {kind.__name__: kind for kind in (int, float, bool, str, list, dict, tuple, Path, Iterable, Mapping, Sequence)}
KNOWN = {**PLAIN, "Any": Any, "Callable": Callable, "Literal": Literal, "Optional": Optional, "Union": Union}


@dataclass(frozen=True)
class Declared:
    """What the class or function of a `_target_` says about its arguments.

    Args:
        hints: the types that are known, by argument.
        names: all arguments; `None` if they are not known or any name is accepted.
    """

    hints: dict[str, Any]
    names: list[str] | None


def by_source(target: str) -> Declared:
    """Returns what a target declares as far as its source says so in plain types: nothing is imported."""
    node = definition(target)
    declared = _declared(node)
    hints = {name: hint for name, annotation in declared.items() if (hint := _hint(annotation)) is not None}
    return Declared(hints, _names(node))


def first_sentence(text: str) -> str:
    """Returns the first sentence of a text, on one line and without its full stop."""
    paragraph = re.sub(r"\s+", " ", text.strip().partition("\n\n")[0])
    return SENTENCE.split(paragraph)[0].removesuffix(".")


def about(target: str) -> str:
    """Returns the first sentence of a target's docstring; empty if none can be read."""
    node = definition(target)
    return first_sentence(ast.get_docstring(node) or "") if node is not None else ""


def arguments(target: str) -> list[str] | None:
    """Returns the names of a target's arguments; `None` if its own definition does not tell, or it accepts any."""
    return _names(definition(target))


def _names(node: ast.ClassDef | ast.FunctionDef | None) -> list[str] | None:
    made = _maker(node)
    if isinstance(made, ast.ClassDef):
        return None if made.bases else list(_declared(made))
    return None if made is None or made.args.kwarg is not None else list(_declared(made))


def _maker(node: ast.ClassDef | ast.FunctionDef | None) -> ast.ClassDef | ast.FunctionDef | None:
    """Returns the function that takes the arguments; a class itself if it has no constructor of its own."""
    if not isinstance(node, ast.ClassDef):
        return node
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), node)


def _declared(node: ast.ClassDef | ast.FunctionDef | None) -> dict[str, ast.expr | None]:
    """Returns the annotation of each argument, or of each field if the target is a dataclass without a constructor."""
    made = _maker(node)
    if isinstance(made, ast.FunctionDef):
        taken = [*made.args.args, *made.args.kwonlyargs]
        return {each.arg: each.annotation for each in taken if each.arg != "self"}
    fields = [each for each in made.body if isinstance(each, ast.AnnAssign)] if made and made.decorator_list else []
    return {each.target.id: each.annotation for each in fields if isinstance(each.target, ast.Name)}


def _hint(annotation: ast.expr | None) -> Any:
    """Returns the type that an annotation names in plain words; `None` if it says something else."""
    if annotation is None or any(isinstance(each, ast.Call) for each in ast.walk(annotation)):
        return None
    with suppress(NameError, TypeError, SyntaxError, AttributeError):
        return eval(compile(ast.Expression(annotation), "annotation", "eval"), {"__builtins__": {}}, KNOWN)
    return None


def definition(target: str) -> ast.ClassDef | ast.FunctionDef | None:
    """Returns the syntax tree of a class or function by its dotted name; `None` if there is no source."""
    module, _, name = target.rpartition(".")
    path = source_file(module)
    if path is None:
        return None
    try:
        return _definitions(path.read_bytes()).get(name)
    except (SyntaxError, OSError):  # in the user's file: reported when it is imported
        return None


@lru_cache(maxsize=256)  # a configuration is checked more than once, and several may be, each with a dozen targets
def _definitions(source: bytes) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """Returns the syntax tree of each class and function of a module, by its name."""
    found = [each for each in ast.parse(source).body if isinstance(each, ast.ClassDef | ast.FunctionDef)]
    return {each.name: each for each in reversed(found)}


def source_file(module: str) -> Path | None:
    """Returns the file of a module by its dotted name; imports neither it nor its packages."""
    specs = specs_of(module)
    if not specs or specs[-1].name != module or not (specs[-1].origin or "").endswith(".py"):
        return None
    return Path(str(specs[-1].origin))
