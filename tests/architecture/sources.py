"""The source files of the project, read and parsed once."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "zxo"


class Source(NamedTuple):
    """One file; `name` is its path from the root of the project."""

    name: str
    text: str
    tree: ast.Module


@cache
def below(folder: Path) -> tuple[Source, ...]:
    """Every Python file below the folder."""
    found = tuple(
        parsed(str(path.relative_to(ROOT)), path.read_text())
        for path in sorted(folder.rglob("*.py"))
    )
    assert found, f"no source in {folder}"
    return found


def parsed(name: str, text: str) -> Source:
    return Source(name, text, ast.parse(text))


def calls(source: Source) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything that the file mentions: `datetime.now`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)


def texts(source: Source) -> Iterator[tuple[int, str]]:
    """The line and the content of every string that is not a docstring."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or id(node) in documented:
            continue
        if isinstance(node.value, str):
            yield node.lineno, node.value


def is_public(name: str) -> bool:
    return not name.startswith("_")
