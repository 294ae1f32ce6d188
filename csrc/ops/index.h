// Indexing by integer arrays, concatenation, and counting.
#pragma once
#include <vector>

#include "contract/index.h"
#include "core/array.h"
#include "ops/elementwise.h"

namespace markone {

// x[indices] as NumPy's advanced indexing: one entry for each leading dimension of x, an int64 array, or an
// empty Array for a full slice. The index arrays broadcast with each other; their shape stands where the
// first of them stood if they are neighbours, else in front. Raises IndexError for a value outside a
// dimension. Here and below a negative value counts from the end where `wraps` is set, and else is outside.
Array index(const Array& x, const std::vector<Array>& indices, bool wraps = true);
// x[indices] combined with the values, in the order of the indices where they are equal. Values broadcast.
void index_write_into(const Array& x, const std::vector<Array>& indices, const Array& values, IndexWrite mode,
                      bool wraps = true);

// out[.., j, ..] = x[.., index[.., j, ..], ..] along `dim`: PyTorch's gather. The index may be smaller than x
// in the other dimensions.
Array gather(const Array& x, int64_t dim, const Array& index, bool wraps = false);
// x[.., index[.., j, ..], ..] combined with src[.., j, ..] along `dim`, in the order of j.
void scatter_into(const Array& x, int64_t dim, const Array& index, const Array& src, IndexWrite mode,
                  bool wraps = false);

// The coordinates of the elements that are not zero: int64 [count, ndim], row-major. It waits for the count,
// so it cannot be recorded.
Array nonzero(const Array& x);
// Raises, with the text `wanted`, where low <= x[i] <= high does not hold; NaN passes unless `nan` is set.
// Also in a recording, at each replay. `op` and `wanted` live as long as the program.
void check_range(const char* op, const char* wanted, const Array& x, double low, double high, bool nan);

// Joined along `dim`; the types are promoted.
Array cat(const std::vector<Array>& arrays, int64_t dim);

// start, start + step, ... : `count` numbers.
Array arange(const Operand& start, const Operand& step, int64_t count, DType dtype);

}  // namespace markone
