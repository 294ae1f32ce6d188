"""Recurrent layers over sequences, and their single steps."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ... import ops
from ...ops import empty, zeros
from ...tensor import Tensor
from .. import init
from ..module import Module
from ..parameter import Parameter
from ..utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the parameters of all layers, and running them.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size: features of the input and of the state.
        num_layers: each but the first takes the output of the one below.
        bias: whether there are b_ih and b_hh.
        batch_first: sequences are [batch, steps, ...] instead of [steps, batch, ...].
        dropout: probability with which outputs of every layer but the last are zeroed in training.
        bidirectional: a second direction that starts at each sequence's end; outputs are concatenated.
        proj_size: size of an LSTM's projected output, 0 for none (Sak et al. 2014).
        device, dtype: of the parameters.

    All parameters start uniform in ±1/√hidden_size.
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        given: Any = dropout
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
            raise ValueError(f"{name}: dropout should be a number in range [0, 1], got {dropout!r}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout}",
                stacklevel=3,
            )
        for key, value, kind in (
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):
            if not isinstance(value, kind):
                raise TypeError(
                    f"{name}: {key} should be of type {kind.__name__}, got {type(value).__name__}"
                )
        for key, size in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if size <= 0:
                raise ValueError(f"{name}: {key} must be greater than zero, got {size}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(
                f"{name}: proj_size has to be from 0 to below hidden_size {hidden_size}, got {proj_size}"
            )
        if mode not in _GATES:
            raise ValueError(f"{name}: unrecognized RNN mode {mode!r}, wants one of {sorted(_GATES)}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size

        ways, wide, out = 1 + bidirectional, _GATES[mode] * hidden_size, proj_size or hidden_size
        self._names: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[:ways]:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (wide, input_size if layer == 0 else out * ways),
                    "weight_hh": (wide, out),
                }
                if bias:
                    shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                self._names.append([f"{kind}_l{layer}{suffix}" for kind in shapes])
                for key, shape in zip(self._names[-1], shapes.values(), strict=True):
                    self.register_parameter(key, Parameter(empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: weights are packed at each call."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def _check(self, input: Tensor, packed: bool) -> None:
        name = self._get_name()
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: input must be a Tensor or PackedSequence, got {type(input).__name__}")
        first = getattr(self, self._names[0][0])
        if input.dtype is not first.dtype:
            raise ValueError(
                f"{name}: input is {input.dtype} but the weights are {first.dtype}: convert one of them"
            )
        if packed and input.ndim != 2:
            raise RuntimeError(f"{name}: packed data must have 2 dimensions, got {input.ndim}")
        if not packed and input.ndim not in (2, 3):
            raise ValueError(f"{name}: expected input to be 2D or 3D, got {input.ndim}D tensor instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input.size(-1) must be equal to input_size, expected {self.input_size}, "
                f"got {input.shape[-1]}"
            )

    def _states(self, hx: Any, batch: int, batched: bool) -> Any:
        """The initial states as a tuple of [layers * directions, batch, size], checked; None stays None."""
        if hx is None:
            return None
        name, is_lstm = self._get_name(), self.mode == "LSTM"
        if is_lstm and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise RuntimeError(f"{name}: hx must be a pair (h_0, c_0)")
        given = tuple(hx) if is_lstm else (hx,)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        out = []
        for i, (state, size) in enumerate(zip(given, sizes, strict=False)):
            what = f"hx[{i}]" if is_lstm else "hx"
            if not isinstance(state, Tensor):
                raise TypeError(f"{name}: {what} must be a Tensor, got {type(state).__name__}")
            if state.ndim != 2 + batched:
                raise RuntimeError(
                    f"{name}: for {'batched 3' if batched else 'unbatched 2'}-D input {what} should also be "
                    f"{2 + batched}-D, got {state.ndim}-D"
                )
            wide = state if batched else state.unsqueeze(1)
            want = (self.num_layers * (1 + self.bidirectional), batch, size)
            if tuple(wide.shape) != want:
                raise RuntimeError(f"{name}: expected {what} of size {want}, got {list(wide.shape)}")
            out.append(wide)
        return tuple(out)

    def _options(self) -> dict[str, Any]:
        """What the operation takes beside PyTorch's arguments."""
        return {}

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None) -> Any:
        """The outputs of the last layer and the final states of all.

        Args:
            input: [steps, batch, in] (batch_first: [batch, steps, in]), [steps, in], or a PackedSequence.
            hx: the initial state [layers * directions, batch, size], for an LSTM a pair of them; None: zeros.
            lengths: how many steps each sequence of a padded input has, integers [batch]. Outputs beyond are
                0, the final state is that of the last real step, and the reverse direction begins there.
        """
        operation = getattr(ops, self.mode.lower())
        weights = [w for own in self.all_weights for w in own]
        rest = (weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        is_lstm = self.mode == "LSTM"
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            self._check(data, True)
            states = self._states(hx, int(batch_sizes[0]), True)
            if states is not None and order is not None:
                states = tuple(s.index_select(1, order) for s in states)
            y, *final = operation(data, batch_sizes, states, *rest, lengths=lengths, **self._options())
            y = PackedSequence(y, batch_sizes, order, back)
            if back is not None:
                final = [s.index_select(1, back) for s in final]
        else:
            self._check(input, False)
            batched = input.ndim == 3
            wide = input if batched else input.unsqueeze(0 if self.batch_first else 1)
            states = self._states(hx, wide.shape[0 if self.batch_first else 1], batched)
            y, *final = operation(wide, states, *rest, self.batch_first, lengths=lengths, **self._options())
            if not batched:
                y = y.squeeze(0 if self.batch_first else 1)
                final = [s.squeeze(1) for s in final]
        return y, tuple(final) if is_lstm else final[0]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for key, usual in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            if getattr(self, key) != usual:
                parts.append(f"{key}={getattr(self, key)}")
        return ", ".join(parts)


def _no_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), f tanh or relu (Elman 1990).

    Args: those of RNNBase, and nonlinearity: "tanh" or "relu".

    Shape: x [steps, batch, input_size], h_0 [layers * directions, batch, hidden_size] → output [steps, batch,
    directions * hidden_size], h_n as h_0.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        _no_projection(kwargs)
        if kwargs:
            raise TypeError(f"RNN: unexpected keyword argument {next(iter(kwargs))!r}")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: unknown nonlinearity {nonlinearity!r}, select from 'tanh' or 'relu'")
        args = (
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, o = σ(W x_t + b + W' h_(t-1) + b') each; g = tanh(...); c_t = f c_(t-1) + i g; h_t = o tanh(c_t),
    with proj_size W_hr times that. The four gates' weights stand in the order i, f, g, o.

    Args: those of RNNBase, and activation: of g and of c_t, "tanh" or "sigmoid".

    Shape: x [steps, batch, input_size], (h_0, c_0) [layers * directions, batch, proj_size or hidden_size] and
    [layers * directions, batch, hidden_size] → output [steps, batch, directions * size], (h_n, c_n) likewise.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str = "tanh",
    ) -> None:
        if activation not in ("tanh", "sigmoid"):
            raise ValueError(f"LSTM: unknown activation {activation!r}, select from 'tanh' or 'sigmoid'")
        args = (num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)
        super().__init__("LSTM", input_size, hidden_size, *args)
        self.activation = activation

    def _options(self) -> dict[str, Any]:
        return {"activation": self.activation}


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014).

    r, z = σ(W x_t + b + W' h_(t-1) + b') each; n = tanh(W_n x_t + b_n + r (W'_n h_(t-1) + b'_n)), or without
    reset_after tanh(W_n x_t + b_n + W'_n (r h_(t-1)) + b'_n); h_t = (1 - z) n + z h_(t-1). The three gates'
    weights stand in the order r, z, n.

    Args: those of RNNBase, and reset_after: the reset gate acts after the product (PyTorch) or before (Cho).

    Shape: as RNN.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        _no_projection(kwargs)
        if kwargs:
            raise TypeError(f"GRU: unexpected keyword argument {next(iter(kwargs))!r}")
        args = (num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        super().__init__("GRU", input_size, hidden_size, *args)
        self.reset_after = reset_after

    def _options(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}


class RNNCellBase(Module):
    """What the cells share: weight_ih [gates * hidden, in], weight_hh [gates * hidden, hidden] and biases,
    all uniform in ±1/√hidden_size at the start."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        wide = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(wide, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(wide, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(empty(wide, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, operation: Any, input: Tensor, states: Any, pair: bool, **options: Any) -> Any:
        """One step of [batch, in] or [in]; states are those given, or zeros."""
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: expected input to be 1D or 2D, got {input.ndim}D instead")
        if states is None:
            shape = (*input.shape[:-1], self.hidden_size)
            states = tuple(zeros(shape, dtype=input.dtype) for _ in range(1 + pair))
        for i, state in enumerate(states):
            if state.ndim not in (1, 2):
                what = f"hx[{i}]" if pair else "hidden"
                raise ValueError(f"{name}: expected {what} to be 1D or 2D, got {state.ndim}D instead")
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return operation(input, states if pair else states[0], *weights, **options)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if not self.bias:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """One step h' = f(W_ih x + b_ih + W_hh h + b_hh), f tanh or relu.

    Shape: x [batch, input_size] or [input_size], h [batch, hidden_size] or [hidden_size] → as h.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: unknown nonlinearity {self.nonlinearity!r}")
        operation = ops.rnn_tanh_cell if self.nonlinearity == "tanh" else ops.rnn_relu_cell
        return self._step(operation, input, None if hx is None else (hx,), False)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: x, (h, c) → (h', c').

    Args: input_size, hidden_size, bias; activation of the candidate and the state: "tanh" or "sigmoid".

    Shape: x [batch, input_size] or [input_size], h and c [batch, hidden_size] or [hidden_size].
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)
        self.activation = activation

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        return self._step(ops.lstm_cell, input, hx, True, activation=self.activation)


class GRUCell(RNNCellBase):
    """One step of a GRU: x, h → h'.

    Args: input_size, hidden_size, bias; reset_after as in GRU.

    Shape: x [batch, input_size] or [input_size], h [batch, hidden_size] or [hidden_size] → as h.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        reset_after: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)
        self.reset_after = reset_after

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        states = None if hx is None else (hx,)
        return self._step(ops.gru_cell, input, states, False, reset_after=self.reset_after)
