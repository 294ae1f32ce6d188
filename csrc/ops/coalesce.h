// Merges the dimensions of a loop over several strided operands, so that kernels see the fewest and longest
// runs.
#pragma once
#include "core/shape.h"

namespace markone {

// shape[i] and strides[operand][i] for i < ndim, reduced in place. Drops sizes of 1 and merges neighbours
// that are contiguous in every operand. Keeps at least one dimension. The row-major order of the elements
// stays.
template <int kOperands>
void coalesce(int64_t* ndim, int64_t* shape, int64_t* (&strides)[kOperands]) {
  int64_t kept = 0;
  for (int64_t i = 0; i < *ndim; ++i) {
    if (shape[i] == 1) continue;
    bool merges = kept > 0;
    for (int k = 0; merges && k < kOperands; ++k) merges = strides[k][kept - 1] == strides[k][i] * shape[i];
    if (merges) {
      shape[kept - 1] *= shape[i];
      for (int k = 0; k < kOperands; ++k) strides[k][kept - 1] = strides[k][i];
    } else {
      shape[kept] = shape[i];
      for (int k = 0; k < kOperands; ++k) strides[k][kept] = strides[k][i];
      ++kept;
    }
  }
  if (kept == 0) {
    shape[0] = 1;
    for (int k = 0; k < kOperands; ++k) strides[k][0] = 0;
    kept = 1;
  }
  *ndim = kept;
}

}  // namespace markone
