"""The code behind a function: its own definition and, step by step, those of the package that it names.

Definitions count as Python reads them: a comment, a docstring, a line break or the annotation of an argument changes
nothing. What is found by a text alone (in a registry, say) is not seen; whoever asks names it as a root.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Place = tuple[str, str]  # a module and a name that its top level defines


@dataclass
class Module:
    """What the top level of a module binds: definitions by name, imports by name as (module, attribute or "")."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Place] = field(default_factory=dict)


def places(root: Path, roots: Iterable[Place], cut: Collection[Place | str] = ()) -> dict[Place, str]:
    """Every definition that the roots reach, as its source without comments, docstrings and annotations of arguments.

    Args:
        root: the folder of the package.
        roots: where to start.
        cut: modules, or single definitions, that are neither taken nor followed.

    Raises:
        ValueError: a root that the package does not define.
    """
    found: dict[Place, str] = {}
    todo = list(roots)
    for module, name in todo:
        if name not in _read(root, module).definitions:
            raise ValueError(f"{module} defines no {name!r}: the digest of the code cannot start there.")
    while todo:
        place = todo.pop()
        module, name = place
        if place in found or place in cut or module in cut:
            continue
        found[place], used = _definition(root, module, name)
        todo += used
    return found


@cache
def _definition(root: Path, module: str, name: str) -> tuple[str, tuple[Place, ...]]:
    """The source of a definition, and the definitions that it names."""
    nodes = _read(root, module).definitions[name]
    used = {place for node in nodes for place in _used(root, module, node)}
    return "\n".join(ast.unparse(node) for node in nodes), tuple(used)


def _used(root: Path, module: str, node: ast.AST) -> Iterator[Place]:
    """The definitions that a piece of code names; those that something is only compared with run nothing."""
    match node:
        case ast.MatchClass(patterns=patterns, kwd_patterns=further):
            parts: Iterable[ast.AST] = (*patterns, *further)
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, _]):
            parts = (value,)
        case _:
            parts = ast.iter_child_nodes(node)
    for part in parts:
        yield from _used(root, module, part)
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        place = _resolve(root, module, node.id)
        for name in names:  # a module's attribute, or an attribute of what is found already
            place = _resolve(root, place[0], name) if place and not place[1] else place
        if place and place[1]:
            yield place


def _resolve(root: Path, module: str, name: str) -> Place | None:
    """Where a name of a module is defined: a place, a module as (module, ""), None outside the package."""
    if not _file(root, module):
        return None
    bound = _read(root, module)
    if name in bound.definitions:
        return module, name
    if name in bound.imports:
        source, attribute = bound.imports[name]
        return _resolve(root, source, attribute) if attribute else (source, "")
    return (f"{module}.{name}", "") if _file(root, f"{module}.{name}") else None


@cache
def _file(root: Path, module: str) -> Path | None:
    package, *rest = module.split(".")
    stem = root.joinpath(*rest)
    files = (stem / "__init__.py", stem.with_suffix(".py")) if package == root.name else ()
    return next((file for file in files if file.is_file()), None)


@cache
def _read(root: Path, module: str) -> Module:
    file = _file(root, module)
    tree = _Strip().visit(ast.parse(file.read_text(encoding="utf-8"))) if file else ast.Module([], [])
    found = Module()
    for node in ast.walk(tree):  # imports within functions too
        if isinstance(node, ast.ImportFrom) and node.module:
            found.imports |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found.imports[alias.asname or name] = (name, "")
    for statement in tree.body:
        for name in _bound(statement):
            found.definitions.setdefault(name, []).append(statement)
    return found


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module's top level defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    else:
        yield from {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


class _Strip(ast.NodeTransformer):
    """Removes docstrings (and texts that stand alone) and the annotations of functions."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node
