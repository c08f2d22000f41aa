"""The user's own code in a run: the source of every class that a configuration names outside calrun.

Nothing is imported: files are found as Python's import would find them, and compared by their syntax trees without
docstrings, comments and `pass`, which change no result.
"""

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DIGEST_BYTES = 8
UNSAID = ("type_comment", "kind", "ctx")  # fields of a syntax tree that say nothing about what the code does
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
LIBRARY_FOLDERS = ("site-packages", "dist-packages")
LOOKUPS = tuple(f"hydra.utils.get_{kind}" for kind in ("class", "method", "object", "static_method"))
OURS = Path(__file__).parents[1]


def targets(tree: Any) -> Iterator[str]:
    """Yields every `_target_` of a configuration, and every name that Hydra is asked to look up."""
    if isinstance(tree, dict):
        target = tree.get("_target_")
        if isinstance(target, str):
            yield target
        if target in LOOKUPS and isinstance(tree.get("path"), str):
            yield tree["path"]
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from targets(item)


def user_code(tree: Any) -> dict[str, str]:
    """Returns a digest, by file name, of each of the user's files that the classes of a configuration come from.

    Files that these import are followed, except those of installed packages and of calrun.

    Args:
        tree: a configuration as plain dictionaries and lists.
    """
    found: dict[str, str] = {}
    waiting = [*dict.fromkeys(targets(tree))]
    while waiting:
        for spec in filter(is_users, specs_of(waiting.pop())):
            is_package = spec.submodule_search_locations is not None
            name = spec.name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            parsed = parse(Path(str(spec.origin))) if name not in found else None
            if parsed is not None:
                found[name] = digest(parsed)
                waiting += imports(parsed, spec)
    return dict(sorted(found.items()))


def sources(names: Iterable[str]) -> Iterator[ast.Module]:
    """Yields the syntax tree of each module, the user's or calrun's, that one of the named classes comes from."""
    for spec in {specs[-1].name: specs[-1] for name in names if (specs := specs_of(name))}.values():
        if (spec.origin or "").endswith(".py") and (is_users(spec) or OURS in Path(str(spec.origin)).parents):
            parsed = parse(Path(str(spec.origin)))
            if parsed is not None:
                yield parsed


def specs_of(dotted: str) -> list[ModuleSpec]:
    """Returns the specs of the packages around the module of a dotted name, then its own; imports none of them."""
    first, *rest = dotted.split(".")
    spec = None
    with suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(first)
    found = [] if spec is None else [spec]
    for name in rest:
        inner = found[-1].submodule_search_locations if found else None
        deeper = PathFinder.find_spec(f"{found[-1].name}.{name}", list(inner)) if inner else None
        if deeper is None:
            break
        found.append(deeper)
    return found


def is_users(spec: ModuleSpec) -> bool:
    """Tells whether a module is neither Python's, nor an installed package's, nor calrun's."""
    if not (spec.origin or "").endswith(".py"):
        return False
    path = Path(str(spec.origin)).resolve()
    if OURS in path.parents or any(folder in path.parts for folder in LIBRARY_FOLDERS):
        return False
    return not any(path.is_relative_to(library) for library in LIBRARIES)


def parse(path: Path) -> ast.Module | None:
    """Returns a file's syntax tree; `None` if Python cannot read it, which its import will report."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def imports(parsed: ast.Module, spec: ModuleSpec) -> Iterator[str]:
    """Yields the absolute dotted names that a module imports."""
    package = spec.name if spec.submodule_search_locations is not None else spec.name.rpartition(".")[0]
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def digest(parsed: ast.Module) -> str:
    """Returns a short digest of what a module does, the same in every version of Python."""
    return hashlib.blake2b(repr(shape(parsed)).encode(), digest_size=DIGEST_BYTES).hexdigest()


def shape(node: Any) -> Any:
    """Returns a syntax tree as nested tuples, without statements that do nothing and without empty fields."""
    if isinstance(node, list):
        return [shape(item) for item in node if not does_nothing(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in UNSAID]
    return type(node).__name__, [(name, shape(value)) for name, value in fields if value not in (None, [])]


def does_nothing(node: Any) -> bool:
    """Tells whether a statement is a docstring, another lone text or number, or `pass`."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
