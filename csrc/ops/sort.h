// Sorting along a dimension and binary search.
#pragma once
#include <utility>

#include "core/array.h"

namespace markone {

// (values, int64 indices) of the ranks [first, last) of the stable order along `dim`; -1 as `last` is the
// end. NaN is the largest. `op` names the operation in errors.
std::pair<Array, Array> sort(const char* op, const Array& x, int64_t dim, bool descending, int64_t first,
                             int64_t last);
// How many elements of the sorted last dimension of seq lie before each value: those smaller, or with `right`
// not larger. seq is 1-d or agrees with values but for the last dimension; `sorter` (or an empty Array) has
// its shape.
Array searchsorted(const Array& seq, const Array& values, const Array& sorter, bool right);

}  // namespace markone
