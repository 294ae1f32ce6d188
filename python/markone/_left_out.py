"""Public names of PyTorch that markone leaves out, and why. Asking for one says so; tests/parity.toml lists
them."""

from __future__ import annotations

_NO_COMPLEX = "there are no complex numbers"
_NO_SPARSE = "there are no sparse arrays"
_NO_QUANTISED = "there are no quantised types"
_OTHER_DEVICE = "a device or layout of another vendor; there are cpu and cuda"
_NO_DECOMPOSITION = "matrix decompositions and solvers are NumPy's: np.linalg on .numpy()"
_SPECIAL = "a special function that no network here uses; SciPy has it"
_INSIDE = "a part of PyTorch's own machinery, not of its interface"
_MEMORY = "memory is the library's own affair: nothing resizes, shares or reinterprets a storage"

# By space, then by reason.
_BY_REASON: dict[str, dict[str, str]] = {
    "Tensor": {
        _NO_COMPLEX: "cdouble cfloat chalf imag istft stft",
        _NO_SPARSE: """ccol_indices coalesce col_indices crow_indices dense_dim indices is_coalesced is_sparse
            is_sparse_csr resize_as_sparse_ row_indices smm sparse_dim sparse_mask sparse_resize_
            sparse_resize_and_clear_ sspaddmm to_dense to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo
            to_sparse_csc to_sparse_csr values""",
        _NO_QUANTISED: """dequantize int_repr is_quantized q_per_channel_axis q_per_channel_scales
            q_per_channel_zero_points q_scale q_zero_point qscheme""",
        _OTHER_DEVICE: """ipu is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_vulkan is_xla is_xpu mtia
            to_mkldnn xpu""",
        _NO_DECOMPOSITION: """cholesky cholesky_inverse cholesky_solve det eig geqrf inverse logdet lstsq lu
            lu_solve matrix_exp orgqr ormqr pinverse qr slogdet solve svd symeig triangular_solve""",
        _SPECIAL: "i0 i0_ igamma igamma_ igammac igammac_",
        _MEMORY: """const_data_ptr is_pinned is_shared pin_memory resize resize_ resize_as resize_as_ set_
            share_memory_ storage storage_type untyped_storage record_stream""",
        _INSIDE: """as_subclass grad_dtype hash_tensor is_distributed is_nested module_load name output_nr
            reinforce slice_inverse to_padded_tensor volatile new_empty_strided dim_order index""",
        "PyTorch's old constructor; there are new_tensor, new_zeros, new_ones, new_full": "new",
        "tensors carry no mark of inference mode": "is_inference",
        "every array is strided": "layout",
        "writing through overlapping strides has no order; there is as_strided": """as_strided_
            as_strided_scatter""",
        "a shape that does not depend on the data serves graph compilers alone": "nonzero_static",
        "mantissa and exponent are NumPy's: np.frexp on .numpy()": "frexp",
        "there is no such type: uint8, int32, int64, float16, bfloat16, float32, float64, bool": "char short",
        "a Python function for every element is a loop; write it with operations": "apply_ map_ map2_",
    },
    "nn": {
        "one process a device: markone has no DataParallel": "DataParallel parallel SyncBatchNorm",
        _NO_QUANTISED: "intrinsic qat quantizable quantized",
        _INSIDE: "Container LinearCrossEntropyOptions attention common_types factory_kwargs modules",
    },
    "nn.functional": {
        _NO_QUANTISED: "ScalingType SwizzleType scaled_grouped_mm scaled_mm",
        _INSIDE: """assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function
            has_torch_function_unary has_torch_function_variadic native_channel_shuffle""",
        "a layout of its own; permute and use conv1d": "conv_tbc",
        "a loop over matmul says the same": "grouped_mm",
    },
    "optim": {
        _NO_SPARSE: "SparseAdam",
        _INSIDE: "swap_in_optimizer_params_and_state",
    },
    "optim.lr_scheduler": {},
    "nn.init": {},
    "linalg": {
        _NO_DECOMPOSITION: """LinAlgError cholesky cholesky_ex cond det eig eigh eigvals eigvalsh
            householder_product inv inv_ex ldl_factor ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex
            lu_solve matrix_exp matrix_rank pinv qr slogdet solve solve_ex solve_triangular svd svdvals
            tensorinv tensorsolve""",
    },
}

LEFT_OUT: dict[str, dict[str, str]] = {
    space: {name: reason for reason, names in groups.items() for name in names.split()}
    for space, groups in _BY_REASON.items()
}


def absent(space: str, name: str) -> AttributeError:
    """The error for a name that is not there, with the reason where it was left out."""
    reason = LEFT_OUT[space].get(name)
    where = "'Tensor' object" if space == "Tensor" else f"module 'markone.{space}'"
    told = f"{where} has no attribute {name!r}"
    return AttributeError(f"{told}: left out on purpose, {reason}" if reason else told, name=name)
