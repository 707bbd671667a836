"""Functions of numbers, written once in Python, as CUDA C++.

A ``@helper`` that is arithmetic and nothing else serves NumPy's arrays, numba's loops and kernels alike: `cuda_text` writes it,
and those that it calls, as templates over the number type ``W``. It knows ``+ - * / **``, comparisons, ``if``, assignments,
tuples as results, and the functions below; the order of operations, and so each rounding, stays as it is.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any

FUNCTIONS = {
    "abs": "fabs",
    "sqrt": "sqrt",
    "maximum": "larger",
}  # NumPy's names and those of `device.cuh`
SIGNS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Eq: "==", ast.NotEq: "!=",
                          ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}  # fmt: skip


def cuda_text(*functions: Any) -> str:
    """The functions and all helpers that they call, those called first."""
    texts: dict[str, str] = {}
    for f in functions:
        _add(f, texts)
    return "\n".join(texts.values())


def _add(f: Any, texts: dict[str, str]) -> None:
    if f.__name__ in texts:
        return
    for name in f.__code__.co_names:
        called = f.__globals__.get(name)
        if hasattr(called, "helper"):
            _add(called, texts)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(f))).body
    assert isinstance(tree, ast.FunctionDef)
    names = [a.arg for a in tree.args.args]
    given = ", ".join(f"W {name}" for name in names)
    head = f"template <class W> __device__ inline auto {f.__name__}({given}) {{"
    texts[f.__name__] = "\n".join([head, *_block(tree.body, set(names)), "}"])


def _block(body: Iterable[ast.stmt], known: set[str]) -> Iterable[str]:
    return (f"    {line}" for node in body for line in _statement(node, known))


def _statement(node: ast.stmt, known: set[str]) -> Iterable[str]:
    match node:
        case ast.Return(value) if value is not None:
            yield f"return {_value(value)};"
        case ast.If(test, body, rest):
            yield f"if ({_value(test)}) {{"
            yield from _block(body, set(known))
            if rest:
                yield "} else {"
                yield from _block(rest, set(known))
            yield "}"
        case ast.Assign([ast.Name(name)], value):
            yield f"{'' if name in known else 'W '}{name} = {_value(value)};"
            known.add(name)
        case ast.Assign([ast.Tuple(targets)], value):
            made = f"made{node.lineno}"
            yield f"auto {made} = {_value(value)};"
            for i, target in enumerate(targets):
                name = ast.unparse(target)
                yield f"{'' if name in known else 'W '}{name} = {made}.v[{i}];"
                known.add(name)
        case ast.Expr(ast.Constant(str())):
            pass  # what it says to its readers
        case _:
            raise _unknown(node)


def _value(node: ast.expr) -> str:
    match node:
        case ast.Name(name):
            return name
        case ast.Constant(number):
            return f"W({float(number)!r})"  # type: ignore[arg-type]  # numbers are all there is
        case ast.UnaryOp(ast.USub(), x):
            return f"(-{_value(x)})"
        case ast.BinOp(x, ast.Pow(), y):
            return f"pow({_value(x)}, {_value(y)})"
        case ast.BinOp(x, sign, y) | ast.Compare(x, [sign], [y]) if type(sign) in SIGNS:
            return f"({_value(x)} {SIGNS[type(sign)]} {_value(y)})"
        case ast.IfExp(test, x, y):
            return f"({_value(test)} ? {_value(x)} : {_value(y)})"
        case ast.Tuple(values):
            return f"Results<W, {len(values)}>{{{', '.join(map(_value, values))}}}"
        case ast.Call(ast.Name(name), values):
            return f"{name}({', '.join(map(_value, values))})"
        case ast.Call(ast.Attribute(_, name), values) if name in FUNCTIONS:
            return f"{FUNCTIONS[name]}({', '.join(map(_value, values))})"
    raise _unknown(node)


def _unknown(node: ast.AST) -> Exception:
    return NotImplementedError(f"{ast.unparse(node)!r} has no words in CUDA C++ here")
