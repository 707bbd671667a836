"""Tiles of results that stay in registers while a loop adds to them: the instructions of `vector` with whole loops inside."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import I32, Vector, _data, _fma, _ir, _load, _splat, _store


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
def inner_tile(typing, m, v, a, a0, ai, ak, b, b0, bj, bk, k, q, y, y0, yi):
    if not (isinstance(m, types.IntegerLiteral) and isinstance(v, types.IntegerLiteral)):
        return None
    rows, columns, n = m.literal_value, v.literal_value, types.intp
    kind = _ir(Vector(y.dtype))

    def emit(context, builder, signature, args):
        (_, _, a, a0, ai, ak, b, b0, bj, bk, k, q, y, y0, yi) = args
        a, b, y = (_data(context, builder, signature.args[i], args[i]) for i in (2, 6, 12))
        fma, lane = _fma(builder, kind), ir.Constant(a0.type, kind.count)
        y_rows, a_rows, b_rows = [y0], [ir.Constant(a0.type, 0)], [ir.Constant(a0.type, 0)]
        for _ in range(rows - 1):
            y_rows.append(builder.add(y_rows[-1], yi))
            a_rows.append(builder.add(a_rows[-1], ai))
        for _ in range(columns - 1):
            b_rows.append(builder.add(b_rows[-1], bj))
        width = [ir.Constant(a0.type, j * kind.count) for j in range(columns)]
        sums = [[cgutils.alloca_once(builder, kind) for _ in width] for _ in y_rows]
        for at, row in zip(y_rows, sums, strict=True):
            for j, s in zip(width, row, strict=True):
                builder.store(_load(builder, y, builder.add(at, j), kind), s)
        with cgutils.for_range(builder, k) as outer:
            ax = builder.add(a0, builder.mul(outer.index, ak))
            bx = builder.add(b0, builder.mul(outer.index, bk))
            with cgutils.for_range(builder, q) as inner:
                step = builder.mul(inner.index, lane)
                at, bt = builder.add(ax, step), builder.add(bx, step)
                bs = [_load(builder, b, builder.add(bt, offset), kind) for offset in b_rows]
                for offset, row in zip(a_rows, sums, strict=True):
                    factor = _load(builder, a, builder.add(at, offset), kind)
                    for value, s in zip(bs, row, strict=True):
                        builder.store(builder.call(fma, [factor, value, builder.load(s)]), s)
        for at, row in zip(y_rows, sums, strict=True):
            for j, s in zip(width, row, strict=True):
                _store(builder, y, builder.add(at, j), builder.load(s))
        return context.get_dummy_value()

    return types.void(m, v, a, n, n, n, b, n, n, n, n, n, y, n, n), emit


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
