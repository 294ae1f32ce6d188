"""Recurrent layers over whole sequences, one native call each way, and single steps as compositions.

The names are those of PyTorch's functions below `nn.LSTM` and its like (torch.lstm, torch.lstm_cell, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _C
from .._dtypes import int64
from ..autograd.graph import Node, Op, edges_of, outputs_of, recording
from ..tensor import Tensor
from ._common import tensor_arg
from .elementwise import add, mul, sub, unary
from .index import index, index_put
from .join import cat, stack
from .matmul import linear
from .random import dropout as _dropout
from .shape import chunk, narrow, reshape, select, transpose

# For other families, not for users.
HELPERS = "pack_rows pad_rows lengths_of"

# Their arguments may be None, which the stub does not say.
_FORWARD: Any = _C.recurrent
_BACKWARD: Any = _C.recurrent_grad

_STATES = {"lstm": 2, "lstm_sigmoid": 2}  # h and c; the others have h alone


def _native(node: Node, g: Any) -> Any:
    x, w_ih, w_hh, w_hr, lengths, *saved = node.saved
    kind, reverse = node.ctx
    up: Any = (*g, None)[:3]  # of y, h_n and an LSTM's c_n
    wanted = [edge is not None for edge in node.edges]
    return _BACKWARD(kind, *up, x, w_ih, w_hh, w_hr, lengths, *saved, reverse, wanted)


def _refuse(node: Node, g: Any) -> Any:
    raise NotImplementedError(
        f"{node.op.name}: the fused recurrent layer has no gradient of its gradient; a loop over "
        f"{node.op.name.split('_')[0]}_cell has"
    )


_OPS = {
    kind: Op(name, _native, _refuse)
    for kind, name in {
        "rnn_tanh": "rnn_tanh",
        "rnn_relu": "rnn_relu",
        "lstm": "lstm",
        "lstm_sigmoid": "lstm",
        "gru": "gru",
        "gru_reset_first": "gru",
    }.items()
}


def _one_way(
    kind: str, x: Tensor, weights: Sequence[Any], states: Sequence[Any], lengths: Any, reverse: bool
) -> list[Tensor]:
    """One layer in one direction: x [steps, batch, in] to y and its final states."""
    h0, c0 = (*states, None, None)[:2]
    inputs = (x, *weights, h0, c0)
    a = [None if t is None else t._array for t in inputs]
    y, h_n, c_n, *saved = _FORWARD(kind, *a, lengths, reverse)
    outs = [y, h_n] if c_n is None else [y, h_n, c_n]
    if not recording(*inputs):
        return [Tensor(out) for out in outs]
    node = Node(_OPS[kind], edges_of(*inputs), (a[0], a[1], a[2], a[5], lengths, *saved), (kind, reverse))
    heads = outputs_of(node, len(outs))
    return [Tensor(out, True, head) for out, head in zip(outs, heads, strict=True)]


def _in_layers(op: str, params: Sequence[Tensor], biases: bool, layers: int, ways: int, lstm: bool) -> Any:
    """The parameters of each layer and direction as w_ih, w_hh, b_ih, b_hh, w_hr."""
    count, extra = divmod(len(params), layers * ways)
    plain = 4 if biases else 2
    if extra or not (count == plain or (lstm and count == plain + 1)):
        raise RuntimeError(
            f"{op}: got {len(params)} parameters, wants {plain} for each of {layers} layers, {ways} ways"
        )
    for i, p in enumerate(params):
        tensor_arg(op, p, f"params[{i}]")
    out = []
    for at in range(0, len(params), count):
        own = params[at : at + count]
        biased = own[2:4] if biases else (None, None)
        out.append((own[0], own[1], *biased, own[plain] if count > plain else None))
    return out


def _initial(op: str, hx: Any, count: int) -> tuple[Any, ...]:
    """The initial states as `count` Tensors, or none where hx is None."""
    if hx is None:
        return ()
    given = tuple(hx) if isinstance(hx, tuple | list) else (hx,)
    if len(given) != count:
        raise RuntimeError(f"{op}: wants {count} initial states, got {len(given)}")
    for i, h in enumerate(given):
        if tensor_arg(op, h, f"hx[{i}]").ndim != 3:
            raise RuntimeError(
                f"{op}: hx[{i}] must be [layers * directions, batch, size], got {list(h.shape)}"
            )
    return given


_PLAIN = "hx params has_biases num_layers dropout train bidirectional batch_first".split()
_PACKED = "batch_sizes hx params has_biases num_layers dropout train bidirectional".split()


def _run(op: str, kind: str, input: Tensor, args: Any, kwargs: dict[str, Any], lengths: Any) -> Any:
    """Both of PyTorch's forms: a padded input and its initial states, or packed data and its batch sizes."""
    x = tensor_arg(op, input)
    first: Any = args[0] if args else kwargs.get("batch_sizes")
    packed = isinstance(first, Tensor) and first.dtype is int64
    names = _PACKED if packed else _PLAIN
    if len(args) > len(names) or any(k not in names[len(args) :] for k in kwargs):
        raise TypeError(f"{op}: wants input, {', '.join(names)}; got {len(args) + 1} and {sorted(kwargs)}")
    given = {"batch_first": False} | dict(zip(names, args, strict=False)) | kwargs
    missing = [n for n in names if n not in given]
    if missing:
        raise TypeError(f"{op}: lacks {', '.join(missing)}")
    wanted = 2 if packed else 3
    if x.ndim != wanted:
        raise RuntimeError(f"{op}: input must have {wanted} dimensions, got shape {list(x.shape)}")
    layers, batch_first = given["num_layers"], given["batch_first"]
    ways = 2 if given["bidirectional"] else 1
    count = _STATES.get(kind, 1)
    weights = _in_layers(op, given["params"], given["has_biases"], layers, ways, count == 2)
    states = _initial(op, given["hx"], count)
    for i, h in enumerate(states):
        if h.shape[0] != layers * ways:
            raise RuntimeError(f"{op}: hx[{i}] has {h.shape[0]} states, wants {layers * ways}")

    sizes = None
    if packed:
        if lengths is not None:
            raise RuntimeError(f"{op}: packed data have their lengths already")
        sizes = first.numpy()
        y, row_lengths = pad_rows(op, input, sizes)
        lengths = _C.from_numpy(row_lengths) if row_lengths.min() < len(sizes) else None
    else:
        y = transpose(input, 0, 1) if batch_first else input
        lengths = lengths_of(op, lengths)
    finals: list[list[Tensor]] = [[] for _ in range(count)]
    for layer in range(layers):
        outs = []
        for way in range(ways):
            at = layer * ways + way
            start = [select(h, 0, at) for h in states]
            out, *final = _one_way(kind, y, weights[at], start, lengths, way == 1)
            outs.append(out)
            for all_of_kind, state in zip(finals, final, strict=True):
                all_of_kind.append(state)
        y = outs[0] if ways == 1 else cat(outs, 2)
        if layer < layers - 1 and given["dropout"]:
            y = _dropout(y, given["dropout"], given["train"])
    if sizes is not None:
        y = pack_rows(y, sizes)
    elif batch_first:
        y = transpose(y, 0, 1)
    return (y, *(stack(s) for s in finals))


def lengths_of(op: str, lengths: Any) -> Any:
    """The int64 Array of lengths given as a sequence or a Tensor; None stays None."""
    if lengths is None:
        return None
    if isinstance(lengths, Tensor):
        if lengths.dtype.is_floating_point:
            raise TypeError(f"{op}: lengths must be integers, got {lengths.dtype}")
        return _C.cast(lengths._array, int64)
    return _C.from_numpy(np.array([n.__index__() for n in lengths], np.int64))


def _places(op: str, sizes: Any) -> tuple[Any, Any]:
    """Where the rows of packed data stand in [steps * batch], and the length of each sequence."""
    if sizes.ndim != 1 or sizes.size == 0 or sizes[-1] <= 0 or (np.diff(sizes) > 0).any():
        raise RuntimeError(f"{op}: batch_sizes must be positive and never grow, got {sizes.tolist()}")
    batch = int(sizes[0])
    kept = np.arange(batch) < sizes[:, None]
    return np.flatnonzero(kept), kept.sum(0).astype(np.int64)


def pad_rows(op: str, data: Tensor, sizes: Any, steps: int = 0, value: float = 0.0) -> tuple[Tensor, Any]:
    """Packed data [rows, ...] as [steps, batch, ...] and the lengths; `sizes`: the batch at each step."""
    places, lengths = _places(op, sizes)
    if len(places) != data.shape[0]:
        raise RuntimeError(f"{op}: batch_sizes sum to {len(places)}, the data have {data.shape[0]} rows")
    steps, batch, rest = max(steps, len(sizes)), int(sizes[0]), data._array.shape[1:]
    if len(places) == steps * batch:
        return reshape(data, (steps, batch, *rest)), lengths
    padded = _C.empty((steps * batch, *rest), data._array.dtype)
    _C.fill(padded, value)
    out = index_put(Tensor(padded), [_C.from_numpy(places)], data)
    return reshape(out, (steps, batch, *rest)), lengths


def pack_rows(padded: Tensor, sizes: Any) -> Tensor:
    """The inverse of pad_rows: [steps, batch, ...] to [rows, ...]."""
    rows = reshape(padded, (-1, *padded._array.shape[2:]))
    places = _places("pack_rows", sizes)[0]
    return rows if len(places) == rows.shape[0] else index(rows, [_C.from_numpy(places)])


def lstm(
    input: Tensor, *args: Any, lengths: Any = None, activation: str = "tanh", **kwargs: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """LSTM layers over sequences (Hochreiter 1997, forget gate Gers 2000): output, h_n, c_n.

    lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) with input
    [steps, batch, in], or lstm(data, batch_sizes, hx, params, ..., bidirectional) with packed data.

    Args:
        hx: (h_0, c_0), each [layers * directions, batch, size]; None: zeros.
        params: w_ih, w_hh (b_ih, b_hh) (w_hr) of each layer and direction.
        lengths: how many steps each sequence of a padded input has; outputs beyond are 0.
        activation: of the candidate and the state, "tanh" or "sigmoid".
    """
    if activation not in ("tanh", "sigmoid"):
        raise ValueError(f"lstm: activation must be 'tanh' or 'sigmoid', got {activation!r}")
    return _run("lstm", "lstm" if activation == "tanh" else "lstm_sigmoid", input, args, kwargs, lengths)


def gru(
    input: Tensor, *args: Any, lengths: Any = None, reset_after: bool = True, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """GRU layers over sequences (Cho 2014): output, h_n. Called as lstm, with hx a Tensor.

    reset_after: PyTorch's n = tanh(.. + r (w_n h)); False: Cho's n = tanh(.. + w_n (r h)).
    """
    return _run("gru", "gru" if reset_after else "gru_reset_first", input, args, kwargs, lengths)


def rnn_tanh(input: Tensor, *args: Any, lengths: Any = None, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Elman layers h = tanh(w_ih x + w_hh h) over sequences: output, h_n. Called as gru."""
    return _run("rnn_tanh", "rnn_tanh", input, args, kwargs, lengths)


def rnn_relu(input: Tensor, *args: Any, lengths: Any = None, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """rnn_tanh with relu."""
    return _run("rnn_relu", "rnn_relu", input, args, kwargs, lengths)


# -- one step, as a composition


def _check_cell(op: str, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor) -> None:
    x, h = tensor_arg(op, input), tensor_arg(op, hx, "hx")
    wi, wh = tensor_arg(op, w_ih, "w_ih"), tensor_arg(op, w_hh, "w_hh")
    if x.ndim != h.ndim or x.ndim not in (1, 2):
        raise RuntimeError(f"{op}: input {list(x.shape)} and hx {list(h.shape)} must be 1-d or 2-d alike")
    if wi.ndim != 2 or x.shape[-1] != wi.shape[1]:
        raise RuntimeError(
            f"{op}: input has {x.shape[-1]} features, w_ih {list(wi.shape)} wants {wi.shape[-1]}"
        )
    if wh.ndim != 2 or h.shape[-1] != wh.shape[1]:
        raise RuntimeError(f"{op}: hx has {h.shape[-1]} features, w_hh {list(wh.shape)} wants {wh.shape[-1]}")
    if x.ndim == 2 and x.shape[0] != h.shape[0]:
        raise RuntimeError(f"{op}: input has a batch of {x.shape[0]}, hx of {h.shape[0]}")


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    *,
    activation: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: input [batch, in], hx (h, c), each [batch, hidden], to the next h and c."""
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell: hx must be (h, c), got {len(hx)} tensors")
    h, c = hx
    _check_cell("lstm_cell", input, h, w_ih, w_hh)
    if activation not in ("tanh", "sigmoid"):
        raise ValueError(f"lstm_cell: activation must be 'tanh' or 'sigmoid', got {activation!r}")
    sigmoid, squash = unary["sigmoid"], unary[activation]
    i, f, g, o = chunk(add(linear(input, w_ih, b_ih), linear(h, w_hh, b_hh)), 4, -1)
    c = add(mul(sigmoid(f), c), mul(sigmoid(i), squash(g)))
    return mul(sigmoid(o), squash(c)), c


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    *,
    reset_after: bool = True,
) -> Tensor:
    """One step of a GRU: input [batch, in], hx [batch, hidden], to the next h."""
    _check_cell("gru_cell", input, hx, w_ih, w_hh)
    sigmoid = unary["sigmoid"]
    n = hx.shape[-1]
    x_r, x_z, x_n = chunk(linear(input, w_ih, b_ih), 3, -1)
    if reset_after:
        h_r, h_z, h_n = chunk(linear(hx, w_hh, b_hh), 3, -1)
        r, z = sigmoid(add(x_r, h_r)), sigmoid(add(x_z, h_z))
        value = unary["tanh"](add(x_n, mul(r, h_n)))
    else:
        b = (None, None) if b_hh is None else (narrow(b_hh, 0, 0, 2 * n), narrow(b_hh, 0, 2 * n, n))
        h_r, h_z = chunk(linear(hx, narrow(w_hh, 0, 0, 2 * n), b[0]), 2, -1)
        r, z = sigmoid(add(x_r, h_r)), sigmoid(add(x_z, h_z))
        value = unary["tanh"](add(x_n, linear(mul(r, hx), narrow(w_hh, 0, 2 * n, n), b[1])))
    return add(value, mul(z, sub(hx, value)))


def _rnn_cell(
    op: str, squash: str, input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, *biases: Any
) -> Any:
    _check_cell(op, input, hx, w_ih, w_hh)
    return unary[squash](add(linear(input, w_ih, biases[0]), linear(hx, w_hh, biases[1])))


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step tanh(w_ih input + b_ih + w_hh hx + b_hh): input [batch, in], hx [batch, hidden]."""
    return _rnn_cell("rnn_tanh_cell", "tanh", input, hx, w_ih, w_hh, b_ih, b_hh)


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """rnn_tanh_cell with relu."""
    return _rnn_cell("rnn_relu_cell", "relu", input, hx, w_ih, w_hh, b_ih, b_hh)
