"""Attention."""

from __future__ import annotations

import math

from ... import ops
from ..._dtypes import bool_
from ...ops.softmax import softmax
from ...tensor import Tensor
from .padding import pad

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


# Queries that causal attention takes together: the keys behind them are not looked at.
_CAUSAL_ROWS = 128


def _causal(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout_p: float) -> Tensor:
    """Attention where query i sees key j <= i. Every query sees the first key, so none is blind."""
    rows, columns = query.shape[-2], key.shape[-2]
    out = []
    for start in range(0, rows, _CAUSAL_ROWS):
        stop = min(start + _CAUSAL_ROWS, rows)
        last = min(stop, columns)
        q = ops.narrow(query, -2, start, stop - start) * scale
        scores = q @ ops.narrow(key, -2, 0, last).transpose(-2, -1)
        seen = ops.arange(last) <= ops.arange(start, stop).unsqueeze(1)
        weights = softmax(ops.where(seen, scores, float("-inf")), -1)
        if dropout_p > 0:
            weights = ops.dropout(weights, dropout_p, True)
        out.append(weights @ ops.narrow(value, -2, 0, last))
    return out[0] if len(out) == 1 else ops.cat(out, -2)


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, scale: float, dropout_p: float) -> Tensor:
    """softmax(scale · q kᵀ + mask) along the keys, then dropout; a query that sees no key has weights 0.

    mask: True where a key is seen, or numbers to add.
    """
    scores = (query * scale) @ key.transpose(-2, -1)
    if mask is None:
        out = softmax(scores, -1)
    else:
        never = float("-inf")
        if mask.dtype is bool_:
            scores = ops.where(mask, scores, never)
        else:
            scores = scores + mask.to(scores.dtype)
        blind = (scores.detach() == never).all(-1, keepdim=True)
        out = ops.where(blind, 0.0, softmax(ops.where(blind, 0.0, scores), -1))
    return ops.dropout(out, dropout_p, True) if dropout_p > 0 else out


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q kᵀ · scale + mask) v (Vaswani et al. 2017, eq. 1).

    query [..., L, e], key [..., S, e], value [..., S, v] → [..., L, v]. attn_mask, broadcast to [..., L, S]:
    bool, True where a key is seen, or numbers to add; is_causal: a query sees the keys up to its own place.
    scale is 1/√e where None. dropout_p drops weights (always: pass 0 outside training). enable_gqa: key and
    value have fewer heads (dimension -3), each shared by several of the query's. A query that sees no key
    gets 0.
    """
    op = "scaled_dot_product_attention"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"{op}: wants at least 2 dimensions, got {list(query.shape)}, {list(key.shape)}, "
            f"{list(value.shape)}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"{op}: query {list(query.shape)}, key {list(key.shape)} and value {list(value.shape)} do not fit"
        )
    if not query.dtype == key.dtype == value.dtype or not query.is_floating_point():
        raise RuntimeError(f"{op}: wants one floating type, got {query.dtype}, {key.dtype} and {value.dtype}")
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"{op}: dropout_p must be in [0, 1], got {dropout_p}")
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(f"{op}: wants attn_mask or is_causal, got both")
    if enable_gqa:
        heads = query.shape[-3]
        if heads % key.shape[-3] or heads % value.shape[-3]:
            raise RuntimeError(
                f"{op}: {heads} heads of query are no multiple of {key.shape[-3]} and {value.shape[-3]}"
            )
        key = ops.repeat_interleave(key, heads // key.shape[-3], -3)
        value = ops.repeat_interleave(value, heads // value.shape[-3], -3)
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    if is_causal and query.shape[-2] > 0 and key.shape[-2] > 0:
        return _causal(query, key, value, scale, dropout_p)
    return _weights(query, key, attn_mask, scale, dropout_p) @ value


def _added(name: str, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask as numbers to add: -inf where a bool one is True."""
    if mask is None:
        return None
    if mask.dtype is bool_:
        return ops.where(mask, float("-inf"), ops.zeros(mask.shape, dtype=like.dtype))
    if not mask.is_floating_point():
        raise RuntimeError(f"multi_head_attention_forward: {name} must be bool or floating, got {mask.dtype}")
    return mask.to(like.dtype)


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weights: list[Tensor], bias: Tensor | None
) -> list[Tensor]:
    """The three projections."""
    biases = [None] * 3 if bias is None else ops.chunk(bias, 3)
    return [ops.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention in several heads (Vaswani et al. 2017, section 3.2.2): see `nn.MultiheadAttention`.

    query [L, N, E], key [S, N, ...], value [S, N, ...], or without N. Gives [L, N, E] and, with need_weights,
    the weights [N, L, S] averaged over the heads, or [N, heads, L, S]. key_padding_mask [N, S] and attn_mask
    [L, S] or [N · heads, L, S]: True where a key is not seen, or numbers to add. is_causal says that
    attn_mask is the causal one. A query that sees no key gets the output's bias.
    """
    op = "multi_head_attention_forward"
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        raise RuntimeError(
            f"{op}: wants query, key and value of 3 dimensions, or of 2 all, got {list(query.shape)}, "
            f"{list(key.shape)} and {list(value.shape)}"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{op}: is_causal only says what attn_mask is; it wants the mask too")
    single = query.ndim == 2
    same = query is key is value
    if single:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, batch, embed), source = query.shape, key.shape[0]
    if embed != embed_dim_to_check or embed % num_heads:
        raise RuntimeError(
            f"{op}: query has {embed} features, wants {embed_dim_to_check}, a multiple of {num_heads} heads"
        )
    if key.shape[:2] != value.shape[:2] or key.shape[1] != batch:
        raise RuntimeError(
            f"{op}: query {list(query.shape)}, key {list(key.shape)} and value {list(value.shape)} do not fit"
        )
    if use_separate_proj_weight:
        separate = q_proj_weight, k_proj_weight, v_proj_weight
        if any(w is None for w in separate):
            raise RuntimeError(f"{op}: use_separate_proj_weight wants q_, k_ and v_proj_weight")
        q, k, v = _projected(query, key, value, list(separate), in_proj_bias)  # type: ignore[arg-type]
    elif in_proj_weight is None:
        raise RuntimeError(f"{op}: wants in_proj_weight")
    elif same:  # one product
        q, k, v = ops.chunk(ops.linear(query, in_proj_weight, in_proj_bias), 3, -1)
    else:
        q, k, v = _projected(query, key, value, list(ops.chunk(in_proj_weight, 3)), in_proj_bias)
    mask = _mask(op, attn_mask, query, (batch, num_heads, length, source))
    padding = _added("key_padding_mask", key_padding_mask, query)
    if padding is not None and list(padding.shape) != [batch, source]:
        raise RuntimeError(f"{op}: key_padding_mask has shape {list(padding.shape)}, wants {[batch, source]}")
    if (bias_k is None) != (bias_v is None):
        raise RuntimeError(f"{op}: wants both bias_k and bias_v, or neither")
    more = 0
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise RuntimeError(f"{op}: bias_k and bias_v do not go with static_k and static_v")
        k = ops.cat([k, ops.expand(bias_k, (1, batch, embed))])
        v = ops.cat([v, ops.expand(bias_v, (1, batch, embed))])
        more += 1
    size = embed // num_heads
    q, k, v = (x.reshape(x.shape[0], batch, num_heads, size).permute(1, 2, 0, 3) for x in (q, k, v))
    k = k if static_k is None else _fixed(op, "static_k", static_k, batch, num_heads, size)
    v = v if static_v is None else _fixed(op, "static_v", static_v, batch, num_heads, size)
    if add_zero_attn:
        zero = ops.zeros(batch, num_heads, 1, size, dtype=k.dtype)
        k, v, more = ops.cat([k, zero], 2), ops.cat([v, zero], 2), more + 1
    if more:  # added keys are always seen
        mask = None if mask is None else pad(mask, (0, more))
        padding = None if padding is None else pad(padding, (0, more))
    if padding is not None:
        padding = padding.unsqueeze(1).unsqueeze(1)
        mask = padding if mask is None else mask + padding
    weights = _weights(q, k, mask, 1.0 / math.sqrt(size), dropout_p if training else 0.0)
    out = (weights @ v).permute(2, 0, 1, 3).reshape(length, batch, embed)
    out = ops.linear(out, out_proj_weight, out_proj_bias)
    told = None
    if need_weights:
        told = weights.mean(1) if average_attn_weights else weights
    if single:
        return out.squeeze(1), None if told is None else told.squeeze(0)
    return out, told


def _mask(op: str, mask: Tensor | None, like: Tensor, shape: tuple[int, int, int, int]) -> Tensor | None:
    """attn_mask as numbers to add, [1, 1, L, S] or [N, heads, L, S]."""
    mask = _added("attn_mask", mask, like)
    if mask is None:
        return None
    batch, heads, length, source = shape
    if list(mask.shape) == [length, source]:
        return mask.reshape(1, 1, length, source)
    if list(mask.shape) == [batch * heads, length, source]:
        return mask.reshape(shape)
    raise RuntimeError(
        f"{op}: attn_mask has shape {list(mask.shape)}, wants {[length, source]} or "
        f"{[batch * heads, length, source]}"
    )


def _fixed(op: str, name: str, x: Tensor, batch: int, heads: int, size: int) -> Tensor:
    """A key or value given as it is, [N · heads, S, size]."""
    if x.ndim != 3 or x.shape[0] != batch * heads or x.shape[2] != size:
        raise RuntimeError(f"{op}: {name} has shape {list(x.shape)}, wants [{batch * heads}, S, {size}]")
    return x.reshape(batch, heads, x.shape[1], size)
