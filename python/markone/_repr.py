"""How a tensor prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._dtypes import bool_, get_default_dtype, int64

_options: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
) -> None:
    """Digits after the point, elements before the middle is left out, elements kept at each end, columns."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in given.items() if value is not None})


def _formatter(values: Any) -> Any:
    """One number format for all of a floating tensor: integers as `1.`, wide ranges as 1.0000e+05."""
    precision = _options["precision"]
    shown = np.abs(values[np.isfinite(values) & (values != 0)])
    if shown.size == 0:
        return lambda x: f"{x:.0f}." if np.isfinite(x) else f"{x:.0f}"
    whole = bool(np.all(shown == np.rint(shown)))
    scientific = (shown.max() / shown.min() > 1000.0 and not whole) or shown.max() > 1e8 or shown.min() < 1e-4
    if scientific:
        return lambda x: f"{x:.{precision}e}"
    if whole:
        return lambda x: f"{x:.0f}." if np.isfinite(x) else f"{x:.0f}"
    return lambda x: f"{x:.{precision}f}"


def _edges(values: Any) -> Any:
    """The elements that a summary shows, flat."""
    keep = _options["edgeitems"]
    for axis, size in enumerate(values.shape):
        if size > 2 * keep:
            values = np.take(values, [*range(keep), *range(size - keep, size)], axis=axis)
    return values.reshape(-1)


def tensor_repr(tensor: Any) -> str:
    """PyTorch's form: tensor([[1., 2.]], grad_fn=<MulBackward>)."""
    from .tensor import Tensor, _ndarray

    values = _ndarray(tensor._array, True)
    name = "tensor" if type(tensor) is Tensor else type(tensor).__name__
    suffix = []
    if values.size == 0 and values.ndim != 1:
        suffix.append(f"size={tuple(values.shape)}")
    if tensor.dtype not in (get_default_dtype(), int64, bool_) or (
        values.size == 0 and tensor.dtype is int64
    ):
        suffix.append(f"dtype={tensor.dtype}")
    if tensor.device.type != "cpu":
        suffix.append(f"device='{tensor.device}'")
    if tensor.grad_fn is not None:
        suffix.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffix.append("requires_grad=True")
    prefix = "tensor("
    if values.size == 0:
        body = "[]"
    else:
        summary = values.size > _options["threshold"]
        shown = _edges(values) if summary else values.reshape(-1)
        kinds: Any = {}
        if values.dtype.kind == "f":
            cell = _formatter(shown.astype(np.float64))
            width = max((len(cell(float(x))) for x in shown if np.isfinite(x)), default=0)
            kinds = {"float_kind": lambda x: cell(float(x)).rjust(width)}
        body = np.array2string(
            values,
            separator=", ",
            prefix=prefix,
            threshold=_options["threshold"] if summary else max(values.size, 1),
            edgeitems=_options["edgeitems"],
            max_line_width=_options["linewidth"],
            formatter=kinds or None,
        )
    text = prefix + ", ".join([body, *suffix]) + ")"
    return text if name == "tensor" else f"{name} containing:\n{text}"
