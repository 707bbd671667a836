"""The instructions of `vector` as LLVM vector code, and the vector itself as a type that numba's loops can hold.

numba leaves vectorisation to LLVM's guesses, which fail where several rows of one array are read and written. Here a
vector is a value: ``load(x, i) + load(x, j)`` is three instructions.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from .vector import VECTOR

I32 = ir.IntType(32)


class Vector(types.Type):
    """A register of float32 or float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = VECTOR * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]  # numba has no types
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _ir(vector))


def _ir(vector: Vector) -> Any:
    element = ir.FloatType() if vector.dtype.bitwidth == 32 else ir.DoubleType()
    return ir.VectorType(element, vector.lanes)


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _at(builder: Any, data: Any, index: Any, kind: Any) -> Any:
    """A pointer to the vector that begins at an element."""
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _load(builder: Any, data: Any, index: Any, kind: Any) -> Any:
    value = builder.load(_at(builder, data, index, kind))
    value.align = _bytes(kind.element)
    return value


def _store(builder: Any, data: Any, index: Any, value: Any) -> None:
    builder.store(value, _at(builder, data, index, value.type)).align = _bytes(value.type.element)


def _bytes(element: Any) -> int:
    return 4 if isinstance(element, ir.FloatType) else 8


def _splat(builder: Any, number: Any, kind: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(I32, 0))
    everywhere = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, nothing, everywhere)


def _fma(builder: Any, kind: Any) -> Any:
    name = f"llvm.fma.v{kind.count}f{_bytes(kind.element) * 8}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


# ── a vector as a value ───────────────────────────────────────────────────────────────────────


@intrinsic
def lanes(typing: Any, x: Any) -> Any:
    count = VECTOR * 8 // x.dtype.bitwidth
    return types.intp(x), lambda context, *_: context.get_constant(types.intp, count)


@intrinsic
def load(typing: Any, x: Any, at: Any) -> Any:
    vector = Vector(x.dtype)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        return _load(builder, data, args[1], _ir(vector))

    return vector(x, types.intp), emit


@intrinsic
def store(typing: Any, x: Any, at: Any, v: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, _data(context, builder, signature.args[0], args[0]), args[1], args[2])
        return context.get_dummy_value()

    return types.void(x, types.intp, v), emit


@intrinsic
def spread(typing: Any, x: Any, number: Any) -> Any:
    vector = Vector(x.dtype)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[1], _ir(vector))

    return vector(x, x.dtype), emit


@intrinsic
def positive(typing: Any, v: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(_ir(v), None)
        return builder.select(builder.fcmp_ordered("<=", args[0], zero), zero, args[0])

    return v(v), emit


def _arithmetic(operation: Any, instruction: str) -> None:
    @intrinsic
    def compute(typing: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda c, builder, s, args: getattr(builder, instruction)(*args)

    @overload(operation)
    def choose(a, b):
        if isinstance(a, Vector) and isinstance(b, Vector):
            return lambda a, b: compute(a, b)
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


# ── tiles ─────────────────────────────────────────────────────────────────────────────────────


@intrinsic
def product_tile(
    typing, m, v, a, a0, ai, ak, al, b, b0, bk, bl, k, q, y, y0, yi, add
):  # fmt: skip
    if not (isinstance(m, types.IntegerLiteral) and isinstance(v, types.IntegerLiteral)):
        return None
    rows, vectors, n = m.literal_value, v.literal_value, types.intp
    kind = _ir(Vector(y.dtype))

    def emit(context, builder, signature, args):
        (_, _, a, a0, ai, ak, al, b, b0, bk, bl, k, q, y, y0, yi, add) = args
        a, b, y = (_data(context, builder, signature.args[i], args[i]) for i in (2, 7, 13))
        fma = _fma(builder, kind)
        width = [ir.Constant(a0.type, j * kind.count) for j in range(vectors)]
        y_rows = [y0]
        a_rows = [ir.Constant(a0.type, 0)]
        for _ in range(rows - 1):
            y_rows.append(builder.add(y_rows[-1], yi))
            a_rows.append(builder.add(a_rows[-1], ai))
        sums = [[cgutils.alloca_once(builder, kind) for _ in width] for _ in y_rows]
        with builder.if_else(add) as (then, otherwise):
            with then:
                for at, row in zip(y_rows, sums, strict=True):
                    for j, s in zip(width, row, strict=True):
                        builder.store(_load(builder, y, builder.add(at, j), kind), s)
            with otherwise:
                for row in sums:
                    for s in row:
                        builder.store(ir.Constant(kind, None), s)
        with cgutils.for_range(builder, k) as outer:
            ax = builder.add(a0, builder.mul(outer.index, ak))
            bx = builder.add(b0, builder.mul(outer.index, bk))
            with cgutils.for_range(builder, q) as inner:
                at = builder.add(ax, builder.mul(inner.index, al))
                bt = builder.add(bx, builder.mul(inner.index, bl))
                bs = [_load(builder, b, builder.add(bt, j), kind) for j in width]
                for offset, row in zip(a_rows, sums, strict=True):
                    number = builder.load(builder.gep(a, [builder.add(at, offset)]))
                    number = _splat(builder, number, kind)
                    for value, s in zip(bs, row, strict=True):
                        builder.store(builder.call(fma, [number, value, builder.load(s)]), s)
        for at, row in zip(y_rows, sums, strict=True):
            for j, s in zip(width, row, strict=True):
                _store(builder, y, builder.add(at, j), builder.load(s))
        return context.get_dummy_value()

    return types.void(m, v, a, n, n, n, n, b, n, n, n, n, n, y, n, n, types.boolean), emit


@intrinsic
def transpose_tile(typing, x, x0, rows, r0, y, y0, columns, c0):
    n, kind = types.intp, _ir(Vector(x.dtype))

    def emit(context, builder, signature, args):
        (_, x0, _, r0, _, y0, _, c0) = args
        x, rows, y, columns = (
            _data(context, builder, signature.args[i], args[i]) for i in (0, 2, 4, 6)
        )

        def entry(table, start, i):
            index = builder.add(start, ir.Constant(start.type, i))
            return builder.sext(builder.load(builder.gep(table, [index])), x0.type)

        vectors = [
            _load(builder, x, builder.add(x0, entry(rows, r0, i)), kind) for i in range(kind.count)
        ]
        for j, v in enumerate(_transposed(builder, vectors, kind)):
            _store(builder, y, builder.add(y0, entry(columns, c0, j)), v)
        return context.get_dummy_value()

    return types.void(x, n, rows, n, y, n, columns, n), emit


def _transposed(builder, rows, kind):
    """Swap off-diagonal blocks of 1, 2, 4, ... lanes between pairs of rows."""
    n, step = kind.count, 1
    while step < n:
        low, high = [], []
        for j in range(n):
            inside = j & step
            low.append(j if not inside else n + j - step)
            high.append(j + step if not inside else n + j)
        swapped = list(rows)
        for i in range(n):
            if not i & step:
                for mask, at in ((low, i), (high, i + step)):
                    mask = ir.Constant(ir.VectorType(I32, n), mask)
                    swapped[at] = builder.shuffle_vector(rows[i], rows[i + step], mask)
        rows, step = swapped, step * 2
    return rows
