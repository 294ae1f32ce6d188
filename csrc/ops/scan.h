// Running sums, products, extremes and log-sums along a dimension.
#pragma once
#include <utility>

#include "core/array.h"

namespace markone {

// Integers and bool give int64.
Array cumsum(const Array& x, int64_t dim, bool reverse);
Array cumprod(const Array& x, int64_t dim);
// (values, the int64 place of the last of the largest or smallest so far); NaN wins.
std::pair<Array, Array> cummax(const Array& x, int64_t dim);
std::pair<Array, Array> cummin(const Array& x, int64_t dim);
Array logcumsumexp(const Array& x, int64_t dim);
// The gradient of x from that of y = logcumsumexp(x).
Array logcumsumexp_grad(const Array& g, const Array& x, const Array& y, int64_t dim);

}  // namespace markone
