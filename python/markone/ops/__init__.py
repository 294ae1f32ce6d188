"""Differentiable operations, and the table from which Tensor gets its methods and the stub is made."""

from __future__ import annotations

from typing import Any

from ..autograd import graph
from ..tensor import Tensor
from . import cast, conv, creation, elementwise, index, matmul, pool, random, reduce, shape, softmax
from .elementwise import functions as _elementwise

_MODULES = (cast, conv, creation, elementwise, index, matmul, pool, random, reduce, shape, softmax)

# Public functions by name: every family's own, and the elementwise list's.
FUNCTIONS: dict[str, Any] = dict(_elementwise)
for _module in _MODULES:
    for _name, _value in vars(_module).items():
        if callable(_value) and getattr(_value, "__module__", None) == _module.__name__ and not _name.startswith("_"):
            if not isinstance(_value, type):
                FUNCTIONS[_name] = _value
FUNCTIONS |= cast.casts

FUNCTIONS |= {
    "add": elementwise.add_scaled,
    "sub": elementwise.sub_scaled,
    "div": elementwise.div_rounded,
}
_ALIASES = {
    "subtract": "sub",
    "multiply": "mul",
    "multiply_": "mul_",
    "divide": "div",
    "true_divide": "div",
    "negative": "neg",
    "absolute": "abs",
    "clip": "clamp",
    "clip_": "clamp_",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "swapdims": "transpose",
    "swapaxes": "transpose",
    "moveaxis": "movedim",
    "concat": "cat",
    "concatenate": "cat",
}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items() if name in FUNCTIONS}
globals().update(FUNCTIONS)

# Functions that are also methods, by name.
METHODS: tuple[str, ...] = (
    *_elementwise,
    *_ALIASES,
    *cast.casts,
    *"to type_as cpu cuda clone contiguous detach detach_ requires_grad_ copy_ fill_ zero_".split(),
    *"clamp clamp_ where allclose isclose equal add sub div".split(),
    *"reshape view view_as reshape_as flatten ravel unflatten squeeze unsqueeze permute transpose t movedim".split(),
    *"expand expand_as broadcast_to repeat tile repeat_interleave narrow select diagonal split chunk unbind".split(),
    *"flip roll".split(),
    *"sum mean prod amax amin max min argmax argmin all any count_nonzero var std norm logsumexp".split(),
    *"index_put index_put_ index_select gather scatter scatter_ scatter_add scatter_add_ masked_fill".split(),
    *"masked_fill_ masked_select nonzero argwhere take take_along_dim tril triu".split(),
    *"matmul mm bmm mv dot outer addmm baddbmm addmv".split(),
    *"softmax log_softmax".split(),
    *"new_tensor new_zeros new_ones new_empty new_full".split(),
    *"uniform_ normal_ bernoulli bernoulli_ random_ multinomial".split(),
)


def _equal_or_not(name: str) -> Any:
    """== and != with what is no tensor or number are left to the other operand."""
    compare = elementwise.compares[name]

    def operator(input: Tensor, other: Any) -> Any:
        return compare(input, other) if isinstance(other, Tensor | float | int) else NotImplemented

    return operator


def _in_place_operator(name: str) -> Any:
    return elementwise.binary_in_place[f"{name}_"]


def _operators() -> dict[str, Any]:
    binary, back = elementwise.binary, elementwise.reversed_forms
    out: dict[str, Any] = {}
    for operator, name in {
        "add": "add",
        "sub": "sub",
        "mul": "mul",
        "truediv": "div",
        "pow": "pow",
        "mod": "remainder",
        "floordiv": "floor_divide",
        "and": "bitwise_and",
        "or": "bitwise_or",
        "xor": "bitwise_xor",
    }.items():
        function = binary.get(name) or elementwise.tests.get(name)
        if function is None:
            continue
        out[f"__{operator}__"] = function
        if name in binary:
            out[f"__r{operator}__"] = binary[name] if name in ("add", "mul") else back[name]
            out[f"__i{operator}__"] = _in_place_operator(name)
        else:
            out[f"__r{operator}__"] = function
    out |= {f"__{name}__": elementwise.compares[name] for name in ("lt", "le", "gt", "ge") if name in elementwise.compares}
    out |= {f"__{name}__": _equal_or_not(name) for name in ("eq", "ne") if name in elementwise.compares}
    out |= {f"__{name}__": elementwise.unary[name] for name in ("neg", "abs") if name in elementwise.unary}
    out |= {
        "__pos__": lambda input: input,
        "__invert__": logical_or_bitwise_not,
        "__matmul__": matmul.matmul,
        "__rmatmul__": matmul.rmatmul,
        "__getitem__": index.getitem,
        "__setitem__": index.setitem,
        "__iter__": shape.iterate,
    }
    return out


def logical_or_bitwise_not(input: Tensor) -> Tensor:
    """~tensor: not for bool, the complement for integers."""
    from .. import _C

    x = input._array
    if x.dtype.is_floating_point:
        raise TypeError(f"~: wants bool or integers, got {x.dtype}")
    if x.dtype is _C.bool_:
        return Tensor(_C.eq(x, False))
    return Tensor(_C.sub(255, x) if x.dtype is _C.uint8 else _C.sub(_C.neg(x), 1))


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds this tensor's gradient by every leaf below it to the leaf's .grad; see autograd.backward."""
    graph.backward(self, gradient, retain_graph, create_graph, inputs)


def method_table() -> dict[str, Any]:
    """Every method, operator and property that operations give to Tensor, by name."""
    table: dict[str, Any] = {name: FUNCTIONS[name] for name in METHODS if name in FUNCTIONS}
    table |= _operators()
    table |= {
        "backward": _backward,
        "register_hook": graph.register_hook,
        "register_post_accumulate_grad_hook": graph.register_post_accumulate_grad_hook,
        "retain_grad": graph.retain_grad,
        "T": property(shape.reversed_dims),
        "mT": property(shape.matrix_transpose),
        "true_divide": FUNCTIONS["div"],
        "divide": FUNCTIONS["div"],
        "logical_not": FUNCTIONS.get("logical_not"),
    }
    return {name: value for name, value in table.items() if value is not None}


for _name, _value in method_table().items():
    setattr(Tensor, _name, _value)
