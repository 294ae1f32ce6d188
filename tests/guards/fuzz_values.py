"""Right and wrong arguments for the calls of fuzz.py."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import markone
from markone import _C

Value = tuple[Any, str]  # and how to write it

DTYPES = ["float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool"]
WILD_INTS = [0, 1, -1, 2, 3, 7, -2, 2**31 - 1, 2**31, 2**32 + 1, -(2**31), 2**62, 2**63 - 1, -(2**63), 2**64]
WILD_FLOATS = [0.0, -1.0, 0.5, 1.0, 2.0, 1e308, -1e308, 5e-324, np.nan, np.inf, -np.inf]
WILD_DIMS = [
    (),
    (0,),
    (-1,),
    (2,),
    (1, 1),
    (3, 3),
    (2**31,),
    (2**62,),
    (2**40, 2**40),
    (-(2**63),),
    (1,) * 8,
    (1,) * 9,
    (2, 0, 3),
    (3,) * 20,
    (0, 2**62),
    (2**31, 0),
    (-1, -1),
    (2**33, 1, 1),
    (0, 0),
]
NONSENSE = [
    None,
    "a",
    1.5,
    2,
    True,
    (),
    [],
    (1.5,),
    "float32",
    np.float32(2),
    np.ones(3),
    object(),
    b"x",
    1j,
    {},
]


class Fuzzer:
    def __init__(self, seed: int, level: str) -> None:
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.level = level
        self.base: tuple[int, ...] = (2, 3)

    # --- values ---------------------------------------------------------------------------------------------

    def shape(self) -> tuple[int, ...]:
        r = self.rng
        pick = r.random()
        if pick < 0.55:
            return self.base
        if pick < 0.7:
            return tuple(1 if r.random() < 0.4 else n for n in self.base)[r.randrange(len(self.base) + 1) :]
        if pick < 0.8:
            return tuple(r.choice([0, 1, 2, 3]) for _ in range(r.randrange(5)))
        if pick < 0.9:
            return tuple(r.choice([1, 2, 3, 5, 8, 17]) for _ in range(r.randrange(1, 5)))
        return r.choice([(), (0,), (1,), (70,), (1,) * 8, (2,) * 8, (1025,), (3, 0, 2)])

    def array(self, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> Value:
        r = self.rng
        shape = self.shape() if shape is None else shape
        dtype = dtype or (r.choice(DTYPES) if r.random() < 0.35 else "float32")
        native = {"bfloat16": "float32"}.get(dtype, dtype)
        if native == "bool":
            data = self.numbers.random(shape) < 0.5
        elif native in ("int64", "int32", "uint8"):
            info = np.iinfo(native)
            low, high = r.choice([(0, 3), (0, 3), (-3, 10), (info.min, info.max)])
            data = self.numbers.integers(max(low, int(info.min)), high, shape)
        else:
            data = self.numbers.standard_normal(shape) * r.choice([1.0, 1.0, 1.0, 1e30, 0.0])
            if r.random() < 0.1 and data.size:
                data.flat[r.randrange(data.size)] = r.choice([np.nan, np.inf, -np.inf])
        with np.errstate(over="ignore"):
            data = np.asarray(data).astype(native)
        text = f"{dtype}{list(shape)}"
        if r.random() < 0.05:
            data.setflags(write=False)
            text += " read-only"
        x = _C.from_numpy(data)
        if dtype == "bfloat16":
            x = _C.cast(x, _C.bfloat16)
        elif r.random() < 0.8 and data.flags.writeable:
            x = _C.clone(x)  # in guarded memory
        x, how = self.view(x)
        if self.level == "python":
            x = self.tensor(x)
        return x, text + how

    def tensor(self, x: Any) -> Any:
        t = markone.Tensor(x)
        if t.dtype.is_floating_point and self.rng.random() < 0.4:
            t.requires_grad_(True)
        return t

    def view(self, x: Any) -> tuple[Any, str]:
        r = self.rng
        if x.ndim and r.random() < 0.3:
            kind = r.choice(["transpose", "flip", "step", "expand", "offset"])
            d = r.randrange(x.ndim)
            if kind == "transpose":
                return x.transpose(d, x.ndim - 1), f".T({d})"
            if kind == "flip":
                return x.flip([d]), f".flip({d})"
            if kind == "step":
                return x.slice(d, 0, x.shape[d], 2), f".step({d})"
            if kind == "offset":
                return x.slice(d, min(1, x.shape[d]), x.shape[d], 1), f".offset({d})"
            if x.ndim < 8:
                n = r.choice([0, 1, 3, 50])
                return x.expand([n, *x.shape]), f".expand({n})"
        return x, ""

    def integer(self) -> Value:
        n = self.rng.choice(WILD_INTS) if self.rng.random() < 0.35 else self.rng.choice([0, 1, 1, 2, 3, -1])
        return n, str(n)

    def floating(self) -> Value:
        x = self.rng.choice(WILD_FLOATS)
        return x, repr(x)

    def dims(self) -> Value:
        r = self.rng
        if r.random() < 0.3:
            d: Any = r.choice(WILD_DIMS)
        elif r.random() < 0.5:
            d = tuple(r.choice([0, 1, 2, 3, -1]) for _ in range(r.choice([0, 1, 2, 2, 2, 3, 4])))
        else:
            d = r.choice([tuple(self.base), tuple(range(len(self.base))), (1, 1), (2, 2), (0, 0), 0, 1, -1])
        return (list(d) if isinstance(d, tuple) and r.random() < 0.3 else d), repr(d)

    def dtype(self) -> Value:
        name = self.rng.choice(DTYPES)
        return getattr(_C, name), name

    def generator(self) -> Value:
        return _C.Generator(self.rng.choice([0, 1, 2**62])), "Generator"

    def nonsense(self) -> Value:
        x = self.rng.choice(NONSENSE)
        return x, repr(x) if not isinstance(x, np.ndarray) else "np.ones(3)"

    def arrays(self) -> Value:
        made = [self.array() for _ in range(self.rng.choice([0, 1, 2, 3]))]
        return [m[0] for m in made], "[" + ", ".join(m[1] for m in made) + "]"

    # --- calls ----------------------------------------------------------------------------------------------

    def typed(self, kind: str, name: str) -> Value:
        """A value for a parameter that pybind11 says is of `kind`."""
        r = self.rng
        if r.random() < 0.06:
            return self.nonsense()
        if "None" in kind and r.random() < 0.3:
            return None, "None"
        if re.search(r"(list|Sequence)\[.*Array", kind):
            return self.arrays()
        if "Array" in kind:
            if "float" in kind and r.random() < 0.4:
                return self.floating() if r.random() < 0.5 else self.integer()
            index = name in ("target", "index", "indices") and r.random() < 0.8
            return self.array("int64" if index else None)
        if "Generator" in kind:
            return self.generator()
        if "dtype" in kind:
            return self.dtype()
        if "Sequence[int]" in kind or "tuple" in kind:
            return self.dims()
        if "SupportsInt" in kind or kind == "int":
            return self.integer()
        if "SupportsFloat" in kind or kind == "float":
            return self.floating()
        if kind == "bool":
            b = r.random() < 0.5
            return b, str(b)
        if kind == "str":
            s = r.choice(["mean", "sum", "none", "cpu", "cuda", "", "\0", "é" * 100])
            return s, repr(s)
        return self.nonsense()

    def guessed(self, parameter: inspect.Parameter) -> Value:
        """A value for a parameter of a Python function, by its annotation, default and name."""
        r = self.rng
        if r.random() < 0.06:
            return self.nonsense()
        kind = str(parameter.annotation)
        if parameter.default is not parameter.empty and r.random() < 0.4:
            return parameter.default, repr(parameter.default)
        if re.search(r"(list|Sequence|tuple)\[.*Tensor", kind) or parameter.name == "tensors":
            return self.arrays()
        if "Tensor" in kind or (
            kind == "<class 'inspect._empty'>" and parameter.name in ("input", "x", "other")
        ):
            if re.search(r"\b(float|int|Number|Scalar)\b", kind) and r.random() < 0.3:
                return self.floating() if r.random() < 0.5 else self.integer()
            index = parameter.name in ("target", "index", "indices") and r.random() < 0.8
            return self.array("int64" if index else None)
        if re.search(r"(?i)dtype", kind + parameter.name):
            return self.dtype()
        if re.search(
            r"(?i)size|shape|dims?\b|Sequence\[int\]|tuple\[int|kernel|stride|padding|dilation",
            kind + " " + parameter.name,
        ):
            return self.dims() if r.random() < 0.6 else self.integer()
        if re.search(r"\bfloat\b", kind):
            return self.floating()
        if re.search(r"\bbool\b", kind):
            return r.random() < 0.5, "bool"
        if re.search(r"\bint\b", kind):
            return self.integer()
        return r.choice([self.integer, self.floating, self.dims, self.array, self.nonsense])()

    def recipe(self, name: str) -> list[Value] | None:
        """Arguments that are right, for operations whose shapes must fit each other."""
        r = self.rng
        n, c, h, w, o = (r.choice([1, 2, 3]) for _ in range(5))
        h, w, k = h + 3, w + 3, r.choice([1, 2, 3])
        image = (n, c, h, w)
        pair = lambda a, b: ((a, b), f"({a}, {b})")  # noqa: E731
        plain = lambda x: (x, repr(x))  # noqa: E731
        geometry = [pair(1, 1), pair(0, 0), pair(1, 1), plain(1)]
        out = (n, o, h - k + 1, w - k + 1)
        weight = (o, c, k, k)
        f32 = lambda *shape: self.array("float32", tuple(shape))  # noqa: E731
        pooled = (n, c, (h - k) // 1 + 1, (w - k) // 1 + 1)
        recipes: dict[str, Callable[[], list[Value]]] = {
            "matmul": lambda: [f32(h, w), f32(w, k)],
            "linear": lambda: [f32(n, w), f32(o, w), f32(o)],
            "conv": lambda: [f32(*image), f32(*weight), f32(o), *geometry],
            "conv_input_grad": lambda: [f32(*out), f32(*weight), plain(image), *geometry],
            "conv_weight_grad": lambda: [f32(*out), f32(*image), plain(weight), *geometry],
            "conv_transpose": lambda: [f32(*out), f32(*weight), f32(c), *geometry, pair(0, 0)],
            "unfold": lambda: [f32(*image), pair(k, k), *geometry[:3]],
            "fold": lambda: [f32(n, c * k * k, out[2] * out[3]), pair(h, w), pair(k, k), *geometry[:3]],
            "max_pool2d": lambda: [f32(*image), pair(k, k), pair(1, 1), pair(0, 0), pair(1, 1), plain(False)],
            "max_pool2d_values": lambda: [
                f32(*image),
                pair(k, k),
                pair(1, 1),
                pair(0, 0),
                pair(1, 1),
                plain(False),
            ],
            "max_pool_grad": lambda: [f32(*pooled), self.array("int64", pooled), plain(image), plain(2)],
            "avg_pool2d": lambda: [
                f32(*image),
                pair(k, k),
                pair(1, 1),
                pair(0, 0),
                plain(False),
                plain(True),
                plain(None),
            ],
            "resample": lambda: [
                f32(*image),
                pair(h + 1, w + 2),
                plain(()),
                plain("linear"),
                plain(False),
                plain(False),
            ],
            "cross_entropy": lambda: [
                f32(n, 5),
                self.array("int64", (n,)),
                plain(None),
                plain(-100),
                plain(0.1),
                plain("mean"),
            ],
            "softmax": lambda: [f32(*image), plain(1)],
            "cat": lambda: [
                ([f32(*image)[0], f32(*image)[0]], "[image, image]"),
                plain(r.choice([0, 1, -1])),
            ],
            "sum": lambda: [f32(*image), plain((0, 2)), plain(True)],
            "optim_step": lambda: [
                plain(r.choice(["sgd", "adam", "nadam", "asgd"])),
                ([f32(3)[0]], "[p]"),
                ([f32(3)[0]], "[g]"),
                ([[f32(3)[0]], [f32(3)[0]], []][: r.choice([1, 2, 3])], "[[m], [v], []]"),
                self.array("float64", (1,)),
                self.array("int64", (1,)),
                ([self.array("float64", (1,))[0]] * r.choice([0, 1, 2]), "carried"),
                plain({"weight_decay": 0.1, "maximize": 1.0}),
            ],
        }
        return recipes[name]() if name in recipes else None
