"""The package's own source, read but not imported: who imports whom, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

import diglett

PACKAGE = Path(diglett.__file__).parent


@frozen
class Import:
    """One imported module; `early` when importing the importer imports it."""

    module: str
    name: str
    early: bool
    line: int


@frozen
class Source:
    """One module: its dotted name, its text and what that imports."""

    name: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False, eq=False)
    imports: tuple[Import, ...] = field(repr=False)

    @property
    def house(self) -> str:
        """The package or module right under `diglett` that this belongs to."""
        return self.name.split(".")[1] if "." in self.name else ""


def makeSource(name: str, text: str) -> Source:
    """Read a module's text."""
    tree = ast.parse(text)
    return Source(name, text, tree, tuple(_imports(tree, True)))


def readSources() -> dict[str, Source]:
    """Read every module of the package, by its dotted name."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["diglett", *path.relative_to(PACKAGE).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = makeSource(name, path.read_text(encoding="utf-8"))
    return sources


def targets(found: Import, known: Mapping[str, Source]) -> Iterator[str]:
    """Give the module of ours that an import means: `from a import b` may mean a.b."""
    inner = f"{found.module}.{found.name}"
    if inner in known:
        yield inner
    elif found.module == "diglett" or found.module.startswith("diglett."):
        yield found.module


def _imports(node: ast.AST, early: bool) -> Iterator[Import]:
    """Walk a tree; what stands in a function or under TYPE_CHECKING is not early."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, "", early, child.lineno)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                module = "." * child.level + (child.module or "")
                yield Import(module, alias.name, early, child.lineno)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for part in child.body:
                yield from _imports(ast.Module([part], []), False)
            for part in child.orelse:
                yield from _imports(ast.Module([part], []), early)
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, early and not function)
