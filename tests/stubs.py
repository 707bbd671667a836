"""What type checkers are told beside the sources: ``python tests/stubs.py`` writes the .pyi files anew.

Two things cannot be said in the sources. The functions of ``ops`` take and return arrays as well as tensors, and lie below
``Tensor``: the stub of ``ops`` says what users get. And an ``__init__.py`` that is a list of imports means them for others,
which a strict checker wants to be told name by name, ``from .a import b as b``.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parent.parent / "tinyconv"
sys.path.insert(0, str(PACKAGE.parent))  # run by itself, from anywhere

from tinyconv import linalg, ops  # noqa: E402  # its place is known now
from tinyconv.nn import functional  # noqa: E402  # likewise
from tinyconv.out import FUNCTIONS  # noqa: E402  # likewise

FIRST_LINE = "# Made by tests/stubs.py: run it again instead of editing.\n"

# ── ops ───────────────────────────────────────────────────────────────────────────────────────

TUPLES = """broadcast_tensors chunk dsplit hsplit meshgrid split split_with_sizes tensor_split unbind vsplit
    unravel_index old_qr old_svd slogdet qr svd eigh eig"""
PAIRS = "std_mean var_mean frexp"
RESULTS: dict[str, str] = {
    **dict.fromkeys(TUPLES.split(), "tuple[Tensor, ...]"),
    **dict.fromkeys(PAIRS.split(), "tuple[Tensor, Tensor]"),
    **dict.fromkeys(["type", "tolist", "unique", "unique_consecutive", "histogramdd"], "Any"),
    **dict.fromkeys(["atleast_1d", "atleast_2d", "atleast_3d", "nonzero", "where"], "Any"),
    **{name: f"{name.title()}Result" for name in ["topk", "sort", "kthvalue", "mode"]},
    **{name: f"{name.title()}Result" for name in ["cummax", "cummin", "aminmax"]},
}
# with a dimension they give values and places, without one a tensor
BOTH_WAYS = ["max", "min", "median", "nanmedian"]
OVERLOADS = """
@overload
def {name}(input: Any, *, dtype: Any = ..., out: Any = ...) -> Tensor: ...
@overload
def {name}(input: Any, dim: _int, keepdim: _bool = ..., *, out: Any = ...) -> {result}: ...
@overload
def {name}(input: Any, *, axis: _int, keepdim: _bool = ..., keepdims: _bool = ..., out: Any = ...) -> {result}: ...
@overload
def {name}(input: Any, other: Tensor, *, out: Any = ...) -> Tensor: ...
"""
WHERE = """
@overload
def where(condition: Tensor, *, out: Any = ...) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: Any, other: Any, *, out: Any = ...) -> Tensor: ...
"""
BUILTINS = """
from builtins import bool as _bool, float as _float, int as _int, str as _str
from collections.abc import Sequence
from typing import Any, overload
"""
HEAD = (
    BUILTINS
    + """
from tinyconv.dtypes import dtype
from tinyconv.shapes import Size
from tinyconv.tensor import Tensor
{more}
"""
)
WORD = re.compile(r"\b_*(int|bool|float|str)\b")
PLAIN = re.compile(r"(?:Any|None|Size|dtype|_?(?:int|bool|float|str)|Sequence|tuple|[\[\]|., ])+")


class Raw:
    """Text that ``inspect`` prints as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _type(annotation: Any) -> str:
    """An annotation of the sources, or Any where it says more than users need."""
    text = annotation if isinstance(annotation, str) else "Any"
    return WORD.sub(r"_\1", text) if PLAIN.fullmatch(text) else "Any"


def _function(name: str, function: Callable[..., Any]) -> str:
    if name in BOTH_WAYS:
        return OVERLOADS.format(name=name, result=f"{name.title()}Result")
    if name == "where":
        return WHERE
    signature = inspect.signature(function)
    parameters = [
        p.replace(
            annotation=Raw(_type(p.annotation)),
            default=p.default if p.default is p.empty else Raw("..."),
        )
        for p in signature.parameters.values()
    ]
    if name in FUNCTIONS:  # keyword only, so before what stands for all other keywords
        out = inspect.Parameter(
            "out", inspect.Parameter.KEYWORD_ONLY, annotation=Raw("Any"), default=Raw("...")
        )
        parameters = sorted([*parameters, out], key=lambda p: p.kind)
    said = _type(signature.return_annotation)
    result = RESULTS.get(name, "Tensor" if said == "Any" else said)
    new = signature.replace(parameters=parameters, return_annotation=Raw(result))
    return f"def {name}{new}: ...\n"


def ops_stub() -> str:
    """The signatures of all operations, with tensors for results."""
    body = _functions({n: f for n, f in vars(ops).items() if n[:2] != "__"})
    used = sorted(set(re.findall(r"\w+Result\b", body)))
    return HEAD.format(more=f"from .results import {', '.join(used)}\n") + body


def functions_stub(module: ModuleType, more: str = "") -> str:
    """The same of another module of functions."""
    return HEAD.format(more=more) + _functions({n: getattr(module, n) for n in module.__all__})


def _functions(named: dict[str, Any]) -> str:
    return "\n" + "".join(
        _function(name, named[name]) for name in sorted(named) if inspect.isfunction(named[name])
    )


# ── lists of imports ──────────────────────────────────────────────────────────────────────────


def reexports(path: Path) -> str:
    """The imports of an ``__init__.py``, each said to be meant for others."""
    lines, written = [], set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            modules = {p.stem for p in (PACKAGE / "ops").glob("*.py")} if home == ".ops" else set()
            written |= {a.name for a in node.names} & modules
            names = [
                f"    {a.name} as {a.asname or a.name},\n"
                for a in node.names
                if a.name not in modules
            ]
            lines.append(f"from {home} import (\n{''.join(names)})\n")
        elif isinstance(node, ast.Assign):
            lines += [f"{ast.unparse(t)}: {_name_of_type(node.value)}\n" for t in node.targets]
        elif isinstance(node, ast.FunctionDef):
            arguments = ast.unparse(node.args)
            lines.append(f"def {node.name}({arguments}) -> {ast.unparse(node.returns)}: ...\n")  # type: ignore[arg-type]  # all of ours say it
    if written:  # a checker may take them for the modules of their name
        lines.insert(0, BUILTINS)
        lines.append(_functions({n: getattr(ops, n) for n in written}))
    return "".join(lines)


def _name_of_type(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and value.value is None:
        return "None"
    return type(value.value).__name__ if isinstance(value, ast.Constant) else "object"


def lists() -> list[Path]:
    """The ``__init__.py`` files that import names for others and have no ``__all__`` to say so."""
    paths = [p for p in PACKAGE.rglob("__init__.py") if p != PACKAGE / "ops" / "__init__.py"]
    said = ("__all__", "import *")
    private = {PACKAGE / "backend" / "cuda"}
    return sorted(
        p for p in paths if not any(s in p.read_text() for s in said) and p.parent not in private
    )


# ── files ─────────────────────────────────────────────────────────────────────────────────────


def stubs() -> dict[Path, str]:
    """What should be in each stub."""
    made = {path.with_suffix(".pyi"): reexports(path) for path in lists()}
    made = {path: text for path, text in made.items() if text}
    made[PACKAGE / "ops" / "__init__.pyi"] = ops_stub()
    error = "from tinyconv.errors import LinAlgError as LinAlgError\n"
    made[PACKAGE / "linalg.pyi"] = functions_stub(linalg, error)
    made[PACKAGE / "nn" / "functional.pyi"] = functions_stub(functional)
    return {path: FIRST_LINE + text for path, text in made.items()}


def outdated() -> list[str]:
    """The stubs that say something else than the sources, and those that nothing belongs to."""
    wanted = stubs()
    wrong = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    extra = [p for p in PACKAGE.rglob("*.pyi") if p not in wanted]
    return [str(p.relative_to(PACKAGE.parent)) for p in (*wrong, *extra)]


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text)
