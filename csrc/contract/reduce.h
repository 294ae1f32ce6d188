// Reductions over any dimensions.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// One enumerator, one kernel a type and instruction set, one binding and its tests for each entry of the
// list.
enum ReduceOp : int32_t {
#define MO_REDUCE(name, ...) kReduce_##name,
#include "kernels/common/reduce.def"
  kReduceCount
};

// For each output: the elements of its reduced space, which has `count` of them, combined to one. Strides are
// in elements. Both shapes have at least one dimension, sizes of 1 only where there is a single one.
struct ReduceArgs {
  // The outputs, in any order; `out` and `shift` have the same strides.
  int64_t outer_ndim;
  int64_t outer_shape[8];
  int64_t outer_in_stride[8];
  int64_t outer_out_stride[8];
  // The reduced space, in the row-major order of the input's dimensions: the order of combination.
  int64_t inner_ndim;
  int64_t inner_shape[8];
  int64_t inner_stride[8];
  int64_t outputs, count;
  const void* in;
  const void*
      shift;  // one number an output, of the type that is computed in; null where the formula has none
  void* out;
  double divisor;
};

// Where the sums of blocks wait to be combined: outputs * blocks * 8 bytes of scratch when there is more than
// one block to an output.
enum : int64_t { kReduceBlock = 32768 };

// The index of the first largest (or smallest) element along one dimension of a [outer, n, inner] array; the
// first NaN counts as both. n > 0.
struct ArgReduceArgs {
  int64_t outer, n, inner;
  const void* in;  // contiguous
  int64_t* out;    // [outer, inner], contiguous
};

struct ReduceKernels {
  Entry<ReduceArgs> reduce[kReduceCount][kDTypeCount];  // by the type of the input
  Entry<ArgReduceArgs> argmax[kDTypeCount];
  Entry<ArgReduceArgs> argmin[kDTypeCount];
};

}  // namespace markone
