// Matrix products: matmul by PyTorch's rules, and the linear layer.
#pragma once
#include "core/array.h"

namespace markone {

// [.., m, k] x [.., k, n] -> [.., m, n]; a vector stands for a row on the left and for a column on the right;
// the dimensions before the last two broadcast.
Array matmul(const Array& a, const Array& b);
// The same into memory that is there; `accumulate` adds to it.
void matmul_into(const Array& out, const Array& a, const Array& b, bool accumulate);
// x [.., in] times weight [out, in] transposed, plus bias [out] (may be empty) -> [.., out].
Array linear(const Array& x, const Array& weight, const Array& bias);

// The type in which products of this type are computed: 16-bit floats in float32, the others in their own.
// Raises for bool.
DType product_type(const char* op, DType dtype);

}  // namespace markone
