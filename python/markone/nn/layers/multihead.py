"""Attention as a layer."""

from __future__ import annotations

from typing import Any

from ...ops import empty
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..errors import AssertedError
from ..module import Module
from ..parameter import Parameter
from .linear import Linear

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention in several heads: concat(head_1, ...) W_o with head_i = attention(q W_i, k W_i, v W_i)
    (Vaswani et al. 2017, section 3.2.2).

    Args:
        embed_dim: size of the query's vectors, a multiple of num_heads.
        num_heads: heads, each with embed_dim / num_heads features.
        dropout: probability with which a weight is dropped in training.
        bias: of the projections.
        add_bias_kv: one learned key and value after the given ones.
        add_zero_attn: a key and value of zeros after them.
        kdim, vdim: sizes of the key's and value's vectors, embed_dim where None.
        batch_first: [N, L, E] in place of [L, N, E].

    Shape: query [L, N, E], key [S, N, kdim], value [S, N, vdim] (or without N) → [L, N, E] and the weights
    [N, L, S] averaged over the heads, [N, heads, L, S] without average_attn_weights, None without
    need_weights. Masks are True where a key is not seen, or numbers to add: key_padding_mask [N, S],
    attn_mask [L, S] or [N · heads, L, S].
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise AssertedError(
                f"MultiheadAttention: embed_dim is {embed_dim}, wants a multiple of num_heads ({num_heads})"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn

        def parameter(name: str, *shape: int, wanted: bool = True) -> None:
            value = Parameter(empty(*shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)

        same = self._qkv_same_embed_dim
        parameter("q_proj_weight", embed_dim, embed_dim, wanted=not same)
        parameter("k_proj_weight", embed_dim, self.kdim, wanted=not same)
        parameter("v_proj_weight", embed_dim, self.vdim, wanted=not same)
        parameter("in_proj_weight", 3 * embed_dim, embed_dim, wanted=same)
        parameter("in_proj_bias", 3 * embed_dim, wanted=bias)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        parameter("bias_k", 1, 1, embed_dim, wanted=add_bias_kv)
        parameter("bias_v", 1, 1, embed_dim, wanted=add_bias_kv)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.ndim == 3
        if turned:
            # What is one tensor stays one: a single product then makes all three projections.
            once = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = (once[id(x)] for x in (query, key, value))
        out, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (out.transpose(0, 1) if turned else out), weights
