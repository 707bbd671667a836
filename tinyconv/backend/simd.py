"""The instructions of `vector` as LLVM vector code, and the vector itself as a type that numba's loops can hold.

numba leaves vectorisation to LLVM's guesses, which fail where several rows of one array are read and written. Here a
vector is a value: ``load(x, i) + load(x, j)`` is three instructions.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from .vector import vector_unit

VECTOR, REGISTERS = vector_unit()

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
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
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
def registers(typing: Any) -> Any:
    return types.intp(), lambda context, *_: context.get_constant(types.intp, REGISTERS)


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


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_fma(builder, _ir(a)), args)

    return a(a, a, a), emit


@intrinsic
def copy(typing: Any, source: Any, s0: Any, target: Any, t0: Any, count: Any) -> Any:
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.gep(_data(context, builder, source, args[0]), [args[1]])
        end = builder.gep(_data(context, builder, target, args[2]), [args[3]])
        cgutils.raw_memcpy(builder, end, start, args[4], _bytes(start.type.pointee))
        return context.get_dummy_value()

    return types.void(source, n, target, n, n), emit


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


# ── parts of a vector, other strides, other types ─────────────────────────────────────────────


def _mask(builder: Any, first: Any, last: Any, n: int) -> Any:
    """The lanes from ``first`` to before ``last``: a lane counted from ``first`` is below their number."""
    kind = ir.VectorType(I32, n)
    width = builder.sub(last, first)
    nothing = ir.Constant(width.type, 0)
    width = builder.select(builder.icmp_signed(">", width, nothing), width, nothing)
    first, width = (_splat(builder, builder.trunc(i, I32), kind) for i in (first, width))
    return builder.icmp_unsigned("<", builder.sub(ir.Constant(kind, list(range(n))), first), width)


def _masked(builder: Any, what: str, kind: Any, at: Any, mask: Any, value: Any) -> Any:
    """LLVM's load (``value`` fills the other lanes) or store (of ``value``) of some lanes."""
    element, n = kind.element, kind.count
    letter = f"i{element.width}" if isinstance(element, ir.IntType) else f"f{_bytes(element) * 8}"
    place, align = kind.as_pointer(), ir.Constant(I32, _bytes(element))
    if what == "load":
        types_, args = (kind, [place, I32, mask.type, kind]), [at, align, mask, value]
    else:
        types_, args = (ir.VoidType(), [kind, place, I32, mask.type]), [value, at, align, mask]
    name = f"llvm.masked.{what}.v{n}{letter}.p0v{n}{letter}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(*types_), name)
    return builder.call(function, args)


def _either(builder: Any, condition: Any, kind: Any, then: Any, otherwise: Any) -> Any:
    """The value of one of two branches."""
    ends = []
    with builder.if_else(condition) as branches:
        for branch, make in zip(branches, (then, otherwise), strict=True):
            with branch:
                ends.append((make(), builder.block))
    value = builder.phi(kind)
    for end in ends:
        value.add_incoming(*end)
    return value


def _whole(builder: Any, first: Any, last: Any, n: int) -> Any:
    from_start = builder.icmp_signed("<=", first, ir.Constant(first.type, 0))
    return builder.and_(from_start, builder.icmp_signed(">=", last, ir.Constant(last.type, n)))


def _load_part(builder, data, at, first, last, kind, other):
    """The lanes from ``first`` to before ``last``; a masked instruction only where it takes one."""
    place, n = _at(builder, data, at, kind), kind.count
    return _either(
        builder, _whole(builder, first, last, n), kind,
        lambda: _load(builder, data, at, kind),
        lambda: _masked(builder, "load", kind, place, _mask(builder, first, last, n), other),
    )  # fmt: skip


def _store_part(builder, data, at, first, last, value):
    place, n = _at(builder, data, at, value.type), value.type.count
    with builder.if_else(_whole(builder, first, last, n)) as (then, otherwise):
        with then:
            _store(builder, data, at, value)
        with otherwise:
            mask = _mask(builder, first, last, n)
            _masked(builder, "store", value.type, place, mask, value)


def _memory(dtype: Any, n: int) -> Any:
    """``n`` elements of an array, as they lie in memory."""
    if isinstance(dtype, types.Float):
        return ir.VectorType(ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType(), n)
    return ir.VectorType(ir.IntType(8 if dtype == types.boolean else dtype.bitwidth), n)


@intrinsic
def load_part(typing: Any, x: Any, at: Any, first: Any, last: Any) -> Any:
    i, kind = types.intp, _ir(Vector(x.dtype))

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        return _load_part(builder, data, *args[1:], kind, ir.Constant(kind, None))

    return Vector(x.dtype)(x, i, i, i), emit


@intrinsic
def load_marked(typing, x, marks, at, mark, first, last):
    i, kind = types.intp, _ir(Vector(x.dtype))
    memory = _memory(marks.dtype, kind.count)

    def emit(context, builder, signature, args):
        data, signs = (_data(context, builder, signature.args[k], args[k]) for k in (0, 1))
        _, _, at, mark, first, last = args
        place = _at(builder, data, at, kind)
        mark = _splat(builder, _resized(builder, mark, memory.element), memory)

        def marked(inside):
            nothing = ir.Constant(memory, None)
            if inside is None:
                sign = _load(builder, signs, at, memory)
                chosen = builder.icmp_signed("==", sign, mark)
            else:
                sign = _masked(
                    builder, "load", memory, _at(builder, signs, at, memory), inside, nothing
                )
                chosen = builder.and_(inside, builder.icmp_signed("==", sign, mark))
            return _masked(builder, "load", kind, place, chosen, ir.Constant(kind, None))

        return _either(
            builder, _whole(builder, first, last, kind.count), kind,
            lambda: marked(None),
            lambda: marked(_mask(builder, first, last, kind.count)),
        )  # fmt: skip

    return Vector(x.dtype)(x, marks, i, i, i, i), emit


def _resized(builder: Any, number: Any, kind: Any) -> Any:
    return number if number.type == kind else builder.trunc(number, kind)


@intrinsic
def load_as(typing: Any, like: Any, x: Any, at: Any, first: Any, last: Any) -> Any:
    i, kind = types.intp, _ir(Vector(like.dtype))
    memory = _memory(x.dtype, kind.count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[1], args[1])
        value = _load_part(builder, data, *args[2:], memory, ir.Constant(memory, None))
        signed = isinstance(x.dtype, types.Integer) and x.dtype.signed
        return (builder.sitofp if signed else builder.uitofp)(value, kind)

    return Vector(like.dtype)(like, x, i, i, i), emit


@intrinsic
def store_part(typing: Any, y: Any, at: Any, first: Any, last: Any, v: Any) -> Any:
    i = types.intp

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        *bounds, value = args[1:]
        if not isinstance(y.dtype, types.Float):
            turn = builder.fptosi if y.dtype.signed else builder.fptoui
            value = turn(value, _memory(y.dtype, value.type.count))
        _store_part(builder, data, *bounds, value)
        return context.get_dummy_value()

    return types.void(y, i, i, i, v), emit


@intrinsic
def pick(typing, x, at, step, first, last, other):
    vector, i = Vector(x.dtype), types.intp
    kind = _ir(vector)
    n = kind.count

    def emit(context, builder, signature, args):
        data = _data(context, builder, signature.args[0], args[0])
        _, at, step, first, last, other = args
        one, two = (ir.Constant(step.type, k) for k in (1, 2))
        others = _splat(builder, other, kind)

        def neighbours():
            return _load_part(builder, data, at, first, last, kind, others)

        def every_other():  # of two vectors side by side, the last number of which may not be ours
            start, end = builder.mul(first, two), builder.sub(builder.mul(last, two), one)
            vectors = []
            for skip in (0, n):
                skip = ir.Constant(step.type, skip)
                bounds = (builder.sub(v, skip) for v in (start, end))
                place = builder.add(at, skip)
                vectors.append(_load_part(builder, data, place, *bounds, kind, others))
            even = ir.Constant(ir.VectorType(I32, n), list(range(0, 2 * n, 2)))
            return builder.shuffle_vector(*vectors, even)

        def one_by_one():
            buffer = cgutils.alloca_once_value(builder, others)
            cells = builder.bitcast(buffer, kind.element.as_pointer())
            with cgutils.for_range_slice(builder, first, last, one) as (k, _):
                number = builder.load(builder.gep(data, [builder.add(at, builder.mul(k, step))]))
                builder.store(number, builder.gep(cells, [k]))
            return builder.load(buffer)

        def further():
            return _either(
                builder, builder.icmp_signed("==", step, two), kind, every_other, one_by_one
            )

        return _either(builder, builder.icmp_signed("==", step, one), kind, neighbours, further)

    return vector(x, i, i, i, i, x.dtype), emit


@intrinsic
def store_steps(typing: Any, y: Any, at: Any, step: Any, first: Any, last: Any, v: Any) -> Any:
    i = types.intp

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        _, at, step, first, last, value = args
        buffer = cgutils.alloca_once_value(builder, value)
        cells = builder.bitcast(buffer, value.type.element.as_pointer())
        one = ir.Constant(step.type, 1)
        with cgutils.for_range_slice(builder, first, last, one) as (k, _):
            place = builder.gep(data, [builder.add(at, builder.mul(k, step))])
            builder.store(builder.load(builder.gep(cells, [k])), place)
        return context.get_dummy_value()

    return types.void(y, i, i, i, i, v), emit


@intrinsic
def store_pairs(typing: Any, y: Any, at: Any, first: Any, last: Any, a: Any, b: Any) -> Any:
    i = types.intp

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        _, at, first, last, a, b = args
        n = a.type.count
        for skip in (0, n):
            turns = [skip // 2 + k // 2 + (n if k % 2 else 0) for k in range(n)]
            value = builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, n), turns))
            skip = ir.Constant(at.type, skip)
            bounds = (builder.sub(v, skip) for v in (first, last))
            _store_part(builder, data, builder.add(at, skip), *bounds, value)
        return context.get_dummy_value()

    return types.void(y, i, i, i, a, b), emit


# ── choices and sums ──────────────────────────────────────────────────────────────────────────


def _larger(builder: Any, v: Any, w: Any, a: Any, b: Any) -> Any:
    wins = builder.fcmp_unordered(">", v, w)  # or one of them is NaN
    return builder.select(builder.and_(wins, builder.fcmp_ordered("ord", w, w)), a, b)


@intrinsic
def larger(typing: Any, v: Any, w: Any, a: Any, b: Any) -> Any:
    return a(v, w, a, b), lambda context, builder, s, args: _larger(builder, *args)


@intrinsic
def either(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    return a(types.boolean, a, a), lambda context, builder, s, args: builder.select(*args)


def _halved(builder: Any, v: Any, combine: Any) -> Any:
    """One number from all lanes: the lower half with the upper, and again."""
    n = v.type.count
    while n > 1:
        n //= 2
        low, high = (ir.Constant(ir.VectorType(I32, n), list(range(a, a + n))) for a in (0, n))
        nothing = ir.Constant(v.type, ir.Undefined)
        v = combine(*(builder.shuffle_vector(v, nothing, half) for half in (low, high)))
    return builder.extract_element(v, ir.Constant(I32, 0))


@intrinsic
def total(typing: Any, v: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        if v.dtype.bitwidth == 32:
            x = builder.fpext(x, ir.VectorType(ir.DoubleType(), v.lanes))
        return _halved(builder, x, builder.fadd)

    return types.float64(v), emit


def _maximum(builder: Any, v: Any, w: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", v, w), v, w)


@intrinsic
def maximum(typing: Any, v: Any, w: Any) -> Any:
    return v(v, v), lambda context, builder, signature, args: _maximum(builder, *args)


@intrinsic
def largest(typing: Any, v: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _halved(builder, args[0], lambda a, b: _maximum(builder, b, a))

    return v.dtype(v), emit


@intrinsic
def exponential(typing: Any, v: Any) -> Any:
    """2^k e^r, where k is whole and r at most half of ln 2: a Taylor polynomial is exact there."""
    single = v.dtype.bitwidth == 32
    low, high = (-104.0, 89.0) if single else (-746.0, 710.0)  # beyond, 0 and infinity
    ln2, rest = (0.693145751953125, 1.428606765330187e-06) if single else (
        0.693147180369123816490, 1.90821492927058770002e-10)  # fmt: skip
    terms, digits, bias = (8, 23, 127) if single else (14, 52, 1023)
    kind = _ir(v)
    integers = ir.VectorType(ir.IntType(v.dtype.bitwidth), v.lanes)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        fma = _fma(builder, kind)

        def number(value: float) -> Any:
            return ir.Constant(kind, [value] * v.lanes)

        def whole(value: int) -> Any:
            return ir.Constant(integers, [value] * v.lanes)

        x = builder.select(builder.fcmp_ordered("<", x, number(low)), number(low), x)
        x = builder.select(builder.fcmp_ordered(">", x, number(high)), number(high), x)
        magic = number(1.5 * 2.0**digits)  # a sum with it has the whole number in its low bits
        shifted = builder.call(fma, [x, number(1 / math.log(2)), magic])
        k = builder.fsub(shifted, magic)
        r = builder.call(fma, [k, number(-ln2), x])
        r = builder.call(fma, [k, number(-rest), r])
        y = number(1 / math.factorial(terms - 1))
        for i in range(terms - 2, -1, -1):
            y = builder.call(fma, [y, r, number(1 / math.factorial(i))])
        power = builder.sub(builder.bitcast(shifted, integers), builder.bitcast(magic, integers))
        half = builder.ashr(power, whole(1))  # in two steps: 2^k alone may be too large or small
        for part in (half, builder.sub(power, half)):
            bits = builder.shl(builder.add(part, whole(bias)), whole(digits))
            y = builder.fmul(y, builder.bitcast(bits, kind))
        return y

    return v(v), emit
