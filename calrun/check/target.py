"""What the class or function of a `_target_` says of itself, read from its source without importing it."""

import ast
import re
from pathlib import Path

from calrun.folder.code import specs_of

SENTENCE = re.compile(r"(?<!\bal)(?<!\bApp)(?<!\bSec)(?<!\bAlg)(?<!\bEq)(?<!\bFig)\.\s+(?=[A-Z(])")


def first_sentence(text: str) -> str:
    """Returns the first sentence of a text, on one line and without its full stop."""
    paragraph = re.sub(r"\s+", " ", text.strip().partition("\n\n")[0])
    return SENTENCE.split(paragraph)[0].removesuffix(".")


def about(target: str) -> str:
    """Returns the first sentence of a target's docstring, or nothing where none can be read."""
    node = definition(target)
    return first_sentence(ast.get_docstring(node) or "") if node is not None else ""


def arguments(target: str) -> list[str] | None:
    """Returns the names of a target's arguments; None where its own definition does not tell, or it takes any."""
    node = definition(target)
    if isinstance(node, ast.ClassDef):
        made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        if not made:
            return None if node.bases else _fields(node)
        node = made[0]
    if node is None or node.args.kwarg is not None:
        return None
    return [each.arg for each in [*node.args.args, *node.args.kwonlyargs] if each.arg != "self"]


def _fields(node: ast.ClassDef) -> list[str]:
    """Returns what a dataclass takes, nothing of another class without a constructor."""
    declared = [each.target for each in node.body if isinstance(each, ast.AnnAssign)] if node.decorator_list else []
    return [field.id for field in declared if isinstance(field, ast.Name)]


def definition(target: str) -> ast.ClassDef | ast.FunctionDef | None:
    """Returns the syntax tree of a class or function by its dotted name, or None where there is no source."""
    module, _, name = target.rpartition(".")
    path = source_file(module)
    if path is None:
        return None
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, OSError):  # the user's: said when it is imported
        return None
    found = [each for each in body if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name]
    return found[0] if found else None


def source_file(module: str) -> Path | None:
    """Returns the file of a module by its dotted name; neither it nor its packages are imported."""
    specs = specs_of(module)
    if not specs or specs[-1].name != module or not (specs[-1].origin or "").endswith(".py"):
        return None
    return Path(str(specs[-1].origin))
