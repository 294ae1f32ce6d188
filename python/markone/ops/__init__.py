"""Differentiable operations, and the table from which Tensor gets its methods and the stub is made."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .. import _C
from ..autograd import engine
from ..tensor import Tensor
from . import activation as _activation
from . import arrange as _arrange
from . import cast as _cast
from . import conv as _conv
from . import creation as _creation
from . import distance as _distance
from . import elementwise as _elementwise_module
from . import front as _front
from . import gather as _gather
from . import index as _index
from . import inplace as _inplace
from . import join as _join
from . import loss as _loss
from . import matmul as _matmul
from . import max_pool as _max_pool
from . import norm as _norm
from . import order as _order
from . import padding as _padding
from . import pool as _pool
from . import products as _products
from . import random as _random
from . import recurrent as _recurrent
from . import reduce as _reduce
from . import resample as _resample
from . import scan as _scan
from . import shape as _shape
from . import softmax as _softmax
from . import sort as _sort
from . import special as _special
from . import statistics as _statistics
from . import triangles as _triangles
from . import unique as _unique
from .autocast import POLICIES
from .elementwise import functions as _elementwise

_MODULES = (
    _activation,
    _arrange,
    _cast,
    _conv,
    _creation,
    _distance,
    _elementwise_module,
    _gather,
    _index,
    _inplace,
    _join,
    _loss,
    _matmul,
    _max_pool,
    _norm,
    _order,
    _padding,
    _pool,
    _products,
    _random,
    _recurrent,
    _reduce,
    _resample,
    _scan,
    _shape,
    _softmax,
    _sort,
    _special,
    _statistics,
    _triangles,
    _unique,
)
# Public functions by name: every family's own but its HELPERS, and the elementwise list's.
FUNCTIONS: dict[str, Any] = dict(_elementwise)
for _module in _MODULES:
    _helpers = getattr(_module, "HELPERS", "").split()
    for _name, _value in list(vars(_module).items()):
        if isinstance(_value, FunctionType | _C.Operation) and _value.__module__ == _module.__name__:
            if not _name.startswith("_") and _name not in _helpers:
                FUNCTIONS[_name] = _value
FUNCTIONS["add"] = _elementwise_module.add_scaled
FUNCTIONS["sub"] = _elementwise_module.sub_scaled
FUNCTIONS["div"] = _elementwise_module.div_rounded
FUNCTIONS |= _inplace.functions
_ALIASES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "fix": "trunc",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "moveaxis": "movedim",
    "multiply": "mul",
    "negative": "neg",
    "not_equal": "ne",
    "sgn": "sign",
    "subtract": "sub",
    "swapdims": "transpose",
    "true_divide": "div",
}
_ALIASES |= {f"{alias}_": f"{name}_" for alias, name in _ALIASES.items() if f"{name}_" in FUNCTIONS}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}
_front.install(FUNCTIONS)
# Layers take the norms from where they are written.
_front.install(vars(_norm), POLICIES)
globals().update(FUNCTIONS)

# Functions that are also methods, by name: the elementwise list, the aliases, each family's METHODS.
METHODS: tuple[str, ...] = (
    *_elementwise,
    *_inplace.functions,
    *_ALIASES,
    *(name for module in _MODULES for name in getattr(module, "METHODS", "").split()),
)


def _equal_or_not(name: str) -> Any:
    """== and != with what is no tensor or number are left to the other operand."""
    compare = _elementwise_module.compares[name]

    def operator(input: Tensor, other: Any) -> Any:
        return compare(input, other) if isinstance(other, Tensor | float | int) else NotImplemented

    return operator


def _invert(input: Tensor) -> Tensor:
    try:
        return FUNCTIONS["bitwise_not"](input)  # type: ignore[no-any-return]
    except NotImplementedError:
        raise TypeError(f"~: is of integers and booleans, got {input.dtype}") from None


def _operators() -> dict[str, Any]:
    binary, back = _elementwise_module.binary, _elementwise_module.reversed_forms
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
        "lshift": "bitwise_left_shift",
        "rshift": "bitwise_right_shift",
    }.items():
        out[f"__{operator}__"] = binary[name]
        out[f"__r{operator}__"] = back[name]
        out[f"__i{operator}__"] = _elementwise_module.binary_in_place[f"{name}_"]
    out["__radd__"], out["__rmul__"] = binary["add"], binary["mul"]
    out |= {f"__{name}__": _elementwise_module.compares[name] for name in ("lt", "le", "gt", "ge")}
    out |= {f"__{name}__": _equal_or_not(name) for name in ("eq", "ne")}
    out |= {f"__{name}__": _elementwise_module.unary[name] for name in ("neg", "abs")}
    out |= {
        "__pos__": lambda input: input,
        "__invert__": _invert,
        "__matmul__": FUNCTIONS["matmul"],
        "__rmatmul__": lambda input, other: FUNCTIONS["matmul"](other, input),
        "__getitem__": _index.getitem,
        "__setitem__": _index.setitem,
        "__iter__": _shape.iterate,
    }
    return out


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds this tensor's gradient by every leaf below it to the leaf's .grad; see autograd.backward."""
    engine.backward(self, gradient, retain_graph, create_graph, inputs)


def method_table() -> dict[str, Any]:
    """Every method, operator and property that operations give to Tensor, by name."""
    table: dict[str, Any] = {name: FUNCTIONS[name] for name in METHODS}
    table |= _cast.casts
    table |= _operators()
    table |= {
        "backward": _backward,
        "register_hook": engine.register_hook,
        "register_post_accumulate_grad_hook": engine.register_post_accumulate_grad_hook,
        "retain_grad": engine.retain_grad,
        "polygamma": _special.polygamma_of,
        "where": _elementwise_module.where_of,
        "T": property(_shape.reversed_dims),
        "mT": property(_shape.matrix_transpose),
        "H": property(_arrange.matrix_h),
        "mH": property(_arrange.adjoint),
    }
    return table


for _name, _value in method_table().items():
    setattr(Tensor, _name, _value)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'markone.ops' has no attribute {name!r}")
