"""512 lattices in one machine vector.

A `Lanes` value holds one bit of each of 512 independent lattices: eight 64-bit words. Numba knows it as a value type
with `&`, `|`, `^`, `~` and `+` (the sum word by word), so that kernels read like the logic of one spin. LLVM makes
one AVX-512 instruction of each operator, two with AVX2, four with NEON.

Arrays of lanes are flat `uint64` arrays of eight words per site; `load` and `store` count in sites.
"""

import operator
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, overload, register_model
from numpy.typing import NDArray

from veridical.ising.kernels.compilation import intrinsic

WORDS = 8
"""64-bit words in one vector."""

LANES = 64 * WORDS
"""Lattices that one vector serves."""

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, WORDS)
_ONES = ir.Constant(_VECTOR, [2**64 - 1] * WORDS)


class LanesType(types.Type):
    """The numba type of a vector of lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


def aligned(vectors: int) -> NDArray[np.uint64]:
    """Zeroed memory for so many vectors, starting at a cache line."""
    raw = np.zeros(vectors * WORDS + WORDS, np.uint64)
    start = (-raw.ctypes.data % 64) // 8
    return raw[start : start + vectors * WORDS]


def _address(context, builder, signature, args):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    index = context.cast(builder, args[1], signature.args[1], types.int64)
    first = builder.gep(array.data, [builder.mul(index, ir.Constant(index.type, WORDS))])
    return builder.bitcast(first, _VECTOR.as_pointer())


def splat(builder, word):
    """LLVM instructions that fill a vector with one word."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, word, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS))


@intrinsic
def load(typing_context, array, index):
    """The vector of a site."""

    def generate(context, builder, signature, args):
        value = builder.load(_address(context, builder, signature, args))
        value.align = 8
        return value

    return lanes(array, index), generate


@intrinsic
def store(typing_context, array, index, value):
    """Write the vector of a site.

    Args:
        typing_context: given by numba; not an argument of the call.
        array: uint64, eight words per site.
        index: the site.
        value: the vector.
    """

    def generate(context, builder, signature, args):
        instruction = builder.store(args[2], _address(context, builder, signature, args))
        instruction.align = 8
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@intrinsic
def spread(typing_context, word):
    """The vector whose eight words are all the given one."""

    def generate(context, builder, signature, args):
        return splat(builder, context.cast(builder, args[0], signature.args[0], types.uint64))

    return lanes(word), generate


@intrinsic
def any_set(typing_context, value):
    """Whether any of the 512 bits is set."""

    def generate(context, builder, signature, args):
        reduction = ir.FunctionType(_WORD, [_VECTOR])
        name = f"llvm.vector.reduce.or.v{WORDS}i64"
        word = builder.call(cgutils.get_or_insert_function(builder.module, reduction, name), [args[0]])
        return builder.icmp_unsigned("!=", word, ir.Constant(_WORD, 0))

    return types.boolean(value), generate


def _shift(build: Callable) -> Callable:
    @intrinsic
    def shift(typing_context, value, places):
        def generate(context, builder, signature, args):
            return build(builder, args[0], context.cast(builder, args[1], signature.args[1], types.uint64))

        return lanes(value, places), generate

    return shift


def _rotate(builder, value, places):
    funnel = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, funnel, f"llvm.fshl.v{WORDS}i64")
    return builder.call(function, [value, value, splat(builder, places)])


shift_left = _shift(lambda builder, value, places: builder.shl(value, splat(builder, places)))
shift_right = _shift(lambda builder, value, places: builder.lshr(value, splat(builder, places)))
rotate_left = _shift(_rotate)


def _define(symbol: Callable, name: str) -> None:
    @intrinsic
    def compute(typing_context, a, b):
        return lanes(a, b), lambda context, builder, signature, args: getattr(builder, name)(*args)

    @overload(symbol)
    def choose(a, b):
        if a is lanes and b is lanes:
            return lambda a, b: compute(a, b)


for _symbol, _name in ((operator.and_, "and_"), (operator.or_, "or_"), (operator.xor, "xor"), (operator.add, "add")):
    _define(_symbol, _name)


@intrinsic
def _complement(typing_context, value):
    return lanes(value), lambda context, builder, signature, args: builder.xor(args[0], _ONES)


@overload(operator.invert)
def _invert(value):
    if value is lanes:
        return lambda value: _complement(value)
