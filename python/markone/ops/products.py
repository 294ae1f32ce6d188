"""Products of several tensors: sums over named or numbered dimensions, and their special cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from ._common import tensor_arg, wrap_dim
from .cast import clone, to
from .elementwise import mul, sub
from .join import roll
from .matmul import _scaled_add, dot, matmul, outer
from .reduce import sum as sum_
from .shape import expand, permute, reshape

# Functions that are Tensor methods too.
METHODS = "addbmm addr cross ger inner kron matrix_power vdot"


def _prod(sizes: Sequence[int]) -> int:
    return math.prod(sizes)


# -- einsum: every operand is a tensor whose dimensions have labels. "..." stands for labels -1, -2, ... from
# the right.

_Labelled = tuple[Tensor, tuple[Any, ...]]


def _letters(text: str, where: str) -> list[Any]:
    """Labels of one term, with Ellipsis in the place of its dots."""
    parts = text.replace(" ", "").split("...")
    if (
        len(parts) > 2
        or "." in "".join(parts)
        or not all(c.isascii() and c.isalpha() for c in "".join(parts))
    ):
        raise RuntimeError(f"einsum: '{text}' in '{where}' must be letters and at most one '...'")
    out: list[Any] = list(parts[0])
    return [*out, Ellipsis, *parts[1]] if len(parts) == 2 else out


def _parse(
    equation: Any, operands: tuple[Any, ...]
) -> tuple[list[list[Any]], list[Any] | None, list[Tensor]]:
    """The labels of each operand, those of the result (None: implicit), the operands."""
    if isinstance(equation, Tensor):  # operand, sublist, operand, sublist, ..., [result]
        given = [equation, *operands]
        out = list(given.pop()) if len(given) % 2 else None
        tensors, lists = given[::2], [list(entry) for entry in given[1::2]]
        return lists, out, tensors
    if not isinstance(equation, str):
        raise TypeError(f"einsum: wants an equation or a Tensor first, got {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    left, arrow, right = equation.partition("->")
    terms = [_letters(term, equation) for term in left.split(",")]
    return terms, _letters(right, equation) if arrow else None, list(operands)


def _merged(x: Tensor, labels: list[Any]) -> _Labelled:
    """Repeated labels become a diagonal, in the place of the first."""
    from .shape import diagonal, movedim

    at = 0
    while at < len(labels):
        if labels[at] in labels[at + 1 :]:
            again = labels.index(labels[at], at + 1)
            sizes = x.shape[at], x.shape[again]
            if sizes[0] != sizes[1]:
                raise RuntimeError(f"einsum: label '{labels[at]}' has sizes {sizes[0]} and {sizes[1]}")
            x = movedim(diagonal(x, 0, at, again), -1, at)
            del labels[again]
        else:
            at += 1
    return x, tuple(labels)


def _summed(x: Tensor, dims: list[int]) -> Tensor:
    """The sum in the type of the elements, integers too."""
    return to(sum_(x, dims), x.dtype) if dims else x


def _without(item: _Labelled, keep: Any) -> _Labelled:
    """The labels that are not in `keep` summed out."""
    x, labels = item
    drop = [i for i, label in enumerate(labels) if label not in keep]
    if not drop:
        return item
    return _summed(x, drop), tuple(label for label in labels if label in keep)


def _squeezed(item: _Labelled, sizes: dict[Any, int]) -> _Labelled:
    """Dimensions of size 1 whose label is longer elsewhere go away: they broadcast."""
    x, labels = item
    kept = [i for i, label in enumerate(labels) if x.shape[i] == sizes[label]]
    if len(kept) == len(labels):
        return item
    return reshape(x, [x.shape[i] for i in kept]), tuple(labels[i] for i in kept)


def _pair(a: _Labelled, b: _Labelled, needed: set[Any]) -> _Labelled:
    """One product of two operands, summed over the labels that nothing needs any more."""
    a = _without(a, needed | set(b[1]))
    b = _without(b, needed | set(a[1]))
    (x, left), (y, right) = a, b
    batch = [label for label in left if label in right and label in needed]
    inner_ = [label for label in left if label in right and label not in needed]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]
    size = dict(zip(left, x.shape, strict=True)) | dict(zip(right, y.shape, strict=True))

    def arranged(t: Tensor, labels: tuple[Any, ...], order: list[Any]) -> Tensor:
        return permute(t, [labels.index(label) for label in order])

    result = (*batch, *rows, *columns)
    shape = [size[label] for label in result]
    if not inner_ or not x.is_floating_point():
        x = arranged(x, left, [*batch, *rows, *inner_])
        y = arranged(y, right, [*batch, *columns, *inner_])
        n, r, c = len(batch), len(rows), len(columns)
        x = reshape(x, [*x.shape[: n + r], *[1] * c, *x.shape[n + r :]])
        y = reshape(y, [*y.shape[:n], *[1] * r, *y.shape[n:]])
        product = mul(x, y)
        dims = list(range(n + r + c, product.ndim))
        return _summed(product, dims), result
    count = [_prod([size[label] for label in group]) for group in (batch, rows, inner_, columns)]
    x = reshape(arranged(x, left, [*batch, *rows, *inner_]), (count[0], count[1], count[2]))
    y = reshape(arranged(y, right, [*batch, *inner_, *columns]), (count[0], count[2], count[3]))
    return reshape(matmul(x, y), shape), result


def einsum(equation: Any, *operands: Any) -> Tensor:
    """A sum of products named by labels: einsum("bij,bjk->bik", a, b).

    Each operand has a letter a dimension, "..." for any others; a repeated letter takes a diagonal; letters
    missing after "->" are summed. Without "->" the result has the letters that appear once, in alphabetical
    order. Dimensions of size 1 broadcast. Also einsum(a, [0, 1], b, [1, 2], [0, 2]). Operands are joined from
    left to right, each pair by one batched matrix product.
    """
    terms, out, tensors = _parse(equation, operands)
    if len(terms) != len(tensors):
        raise RuntimeError(f"einsum: the equation has {len(terms)} operands, got {len(tensors)}")
    items: list[_Labelled] = []
    wide = 0
    for term, tensor in zip(terms, tensors, strict=True):
        ndim = tensor_arg("einsum", tensor, "every operand").ndim
        free = ndim - (len(term) - (Ellipsis in term))
        if free < 0 or (free > 0 and Ellipsis not in term):
            raise RuntimeError(f"einsum: {len(term)} labels for an operand of shape {list(tensor.shape)}")
        labels: list[Any] = []
        for label in term:
            labels += list(range(-free, 0)) if label is Ellipsis else [("", label)]
        wide = max(wide, free if Ellipsis in term else 0)
        items.append(_merged(tensor, labels))
    dots = list(range(-wide, 0))
    named = [("", label) for term in terms for label in term if label is not Ellipsis]
    if out is None:
        result = [*dots, *sorted({label for label in named if named.count(label) == 1})]
    else:
        result = []
        for label in out:
            result += dots if label is Ellipsis else [("", label)]
        if len(set(result)) != len(result):
            raise RuntimeError("einsum: a label appears twice in the result")
        strange = [label[1] for label in result if isinstance(label, tuple) and label not in named]
        if strange:
            raise RuntimeError(f"einsum: '{strange[0]}' of the result is in no operand")
    sizes: dict[Any, int] = {}
    for x, labels_ in items:
        for label, n in zip(labels_, x.shape, strict=True):
            have = sizes.setdefault(label, n)
            if n not in (1, have) and have != 1:
                raise RuntimeError(f"einsum: label {label} has sizes {have} and {n}")
            sizes[label] = n if have == 1 else have
    items = [_squeezed(item, sizes) for item in items]
    now = items[0]
    for i in range(1, len(items)):
        needed = set(result).union(*(item[1] for item in items[i + 1 :]))
        now = _pair(now, items[i], needed)
    final, labels_ = _without(now, set(result))
    return permute(final, [labels_.index(label) for label in result])


# -- dimensions by number


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over the last `dims` of a and the first `dims` of b, or over pairs of lists."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims is {dims}, the operands have {a.ndim} and {b.ndim}")
        dims = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [wrap_dim("tensordot", d, a.ndim) for d in left]
    right = [wrap_dim("tensordot", d, b.ndim) for d in right]
    if len(left) != len(right) or len(set(left)) != len(left) or len(set(right)) != len(right):
        raise RuntimeError(f"tensordot: cannot pair dimensions {left} with {right}")
    inner_: dict[int, int] = {}
    for at, (i, j) in enumerate(zip(left, right, strict=True)):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(f"tensordot: dimension {i} has size {a.shape[i]}, its partner {b.shape[j]}")
        inner_[i] = at
    names_a: list[Any] = [("inner", inner_[i]) if i in inner_ else ("a", i) for i in range(a.ndim)]
    names_b: list[Any] = [("inner", right.index(j)) if j in right else ("b", j) for j in range(b.ndim)]
    out = [n for n in (*names_a, *names_b) if n[0] != "inner"]
    return einsum(a, names_a, b, names_b, out)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products over the last dimension of both; with a 0-d operand, their product."""
    if input.ndim == 0 or other.ndim == 0:
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner: the last dimensions of {list(input.shape)} and {list(other.shape)} differ"
        )
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """dot: real vectors are their own conjugates."""
    return dot(input, other)


def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """outer."""
    return outer(input, vec2)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of input times all of other, laid out as blocks."""
    a, b = tensor_arg("kron", input).shape, tensor_arg("kron", other, "other").shape
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + tuple(a), (1,) * (n - len(b)) + tuple(b)
    left = reshape(input, [k for size in a for k in (size, 1)])
    right = reshape(other, [k for size in b for k in (1, size)])
    return reshape(mul(left, right), [i * j for i, j in zip(a, b, strict=True)])


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of length 3 along dim (the first dimension of that length)."""
    from .shape import broadcast_tensors

    if input.ndim != other.ndim:
        raise RuntimeError(f"cross: shapes {list(input.shape)} and {list(other.shape)} differ in length")
    input, other = broadcast_tensors(input, other)
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of {list(input.shape)} has size 3")
    d = wrap_dim("cross", dim, input.ndim)
    if input.ndim == 0 or input.shape[d] != 3:
        raise RuntimeError(f"cross: dimension {dim} of {list(input.shape)} must have size 3")
    return sub(mul(roll(input, -1, d), roll(other, -2, d)), mul(roll(input, -2, d), roll(other, -1, d)))


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    product = outer(vec1, vec2)
    return _scaled_add("addr", _fitted("addr", input, product), product, beta, alpha)


def _fitted(op: str, input: Tensor, product: Tensor) -> Tensor:
    return expand(input, product.shape) if tuple(input.shape) != tuple(product.shape) else input


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum over the batch of batch1 @ batch2."""
    for t in (batch1, batch2):
        if tensor_arg("addbmm", t).ndim != 3:
            raise RuntimeError(f"addbmm: wants 3 dimensions, got shape {list(t.shape)}")
    (n, rows, k), (m, k2, columns) = batch1.shape, batch2.shape
    if n != m or k != k2:
        raise RuntimeError(f"addbmm: {list(batch1.shape)} and {list(batch2.shape)} do not multiply")
    # One product over the batch and the inner dimension together.
    product = matmul(reshape(permute(batch1, (1, 0, 2)), (rows, n * k)), reshape(batch2, (n * k, columns)))
    return _scaled_add("addbmm", _fitted("addbmm", input, product), product, beta, alpha)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, n >= 0, by squaring."""
    shape = tensor_arg("matrix_power", input).shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise RuntimeError(f"matrix_power: wants square matrices, got shape {list(shape)}")
    if n < 0:
        raise NotImplementedError("matrix_power: negative powers need an inverse, which markone leaves out")
    if n == 0:
        from .creation import eye

        return clone(expand(eye(shape[-1], dtype=input.dtype), shape))
    out: Tensor | None = None
    while True:
        if n & 1:
            out = input if out is None else matmul(out, input)
        n >>= 1
        if n == 0:
            assert out is not None
            return clone(out) if out is input else out
        input = matmul(input, input)
