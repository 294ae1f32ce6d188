// Reductions over any dimensions, with PyTorch's rules for types and shapes.
#pragma once
#include <optional>

#include "contract/reduce.h"
#include "core/array.h"

namespace markone {

// sum, mean, prod, amax, amin, any, all. No dims means all of them. Sums and products of integers and bools
// are int64, any and all are bool, the rest keeps the type; mean wants a floating one. amax and amin of
// nothing raise.
Array reduce(ReduceOp op, const Array& x, const Dims& dims, bool keepdim);
// The variance with divisor max(0, count - correction), of floating types; two passes.
Array var(const Array& x, const Dims& dims, double correction, bool keepdim);
// The int64 index of the first largest (smallest) element along `dim`, or in the flattened x. NaN counts as
// both.
Array arg_reduce(bool max, const Array& x, std::optional<int64_t> dim, bool keepdim);

const char* name_of(ReduceOp op);

}  // namespace markone
