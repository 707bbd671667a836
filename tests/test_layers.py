"""The import table of docs/architecture.md, executed: a module imports only from rows above its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tinyconv"
OPTIONAL = {
    "cupy",
    "PIL",
    "matplotlib",
    "numba",
    "scipy",
}  # may be imported late: extras, and what is slow to import


def rows() -> dict[str, int]:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("<!-- rows -->")[1].split("<!-- /rows -->")[0]
    found = {}
    for line in table.strip().splitlines()[2:]:
        number, names = line.split("|")[1:3]
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = int(number)
    return found


ROWS = rows()
FILES = sorted(PACKAGE.rglob("*.py"))


def row_name(parts: tuple[str, ...]) -> str:
    """The name under which a module stands in the table: ``optim``, or ``optim.swa_utils`` if that has a row of its own."""
    own = ".".join(parts[:2])
    return own if own in ROWS else parts[0]


def top(path: Path) -> str:
    """The name under which a file stands in the table."""
    return row_name(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path, tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Names imported from tinyconv (first part of the path) and from elsewhere; True if inside a function."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    package = here[:-1]

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                names = [node.module] if node.module else [a.name for a in node.names]
                for name in names:
                    yield "tinyconv." + ".".join((*base, str(name))), inside
            else:
                yield str(node.module), inside
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, inside
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(tree, False)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_up(path: Path) -> None:
    here = top(path)
    assert here in ROWS, f"{here} has no row in docs/architecture.md"
    for name, inside in imports(path, ast.parse(path.read_text())):
        first = name.split(".")[0]
        if inside:
            assert first in OPTIONAL, f"{path.name} imports {name} inside a function"
        if first != "tinyconv":
            continue
        target = row_name(tuple(name.split(".")[1:])) if "." in name else "__init__"
        if target != here:
            assert ROWS.get(target, 99) < ROWS[here], (
                f"{path.name} (row {ROWS[here]}) imports {name}"
            )


def test_every_row_exists() -> None:
    for name in ROWS:
        path = PACKAGE / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{name} is in the table only"


def test_only_these_name_array_libraries() -> None:
    """Below creation, numpy is reached through ``self.xp``; kernels and random streams are numpy's own."""
    for path in FILES:
        if top(path) in ("autograd", "ops"):
            libraries = {n.split(".")[0] for n, _ in imports(path, ast.parse(path.read_text()))}
            assert not libraries & {"numpy", "cupy", "numba"}, path
