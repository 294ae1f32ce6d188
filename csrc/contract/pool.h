// Max and average pooling of contiguous planes, and their gradients.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

enum : int64_t { kPoolSlack = 64 };

// Output (i, j) of a plane looks at rows i * stride_h - pad_h + k * dilation_h for k < kernel_h, and at
// columns likewise; what lies outside the plane is skipped. A window with nothing inside has maximum -inf and
// index -1.
struct PoolArgs {
  int64_t planes, h, w, out_h, out_w;
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t count_include_pad, divisor_override;  // average; an override of 0 is none
  // Scratch for each thread, in elements of the type: the padded width that the windows of a row reach,
  // out_w, and kPoolSlack.
  int64_t row_elements;
  const void* x;
  void* y;
  int64_t* indices;  // max: the flat place in the plane of each maximum; null: not wanted
};

// dx[plane, indices[plane, i]] += g[plane, i] in order of i. Index -1 is skipped, any other outside [0,
// in_size) is reported.
struct MaxPoolGradArgs {
  int64_t planes, in_size, out_size;
  const void* g;
  const int64_t* indices;
  void* dx;
};

// The gradient of the average: the fields of `pool` but its pointers.
struct AvgPoolGradArgs {
  PoolArgs pool;
  const void* g;
  void* dx;
};

struct PoolKernels {
  // Pooling: a row of outputs at a time in vectors, plain loops.
  Entry<PoolArgs> max_pool_rows[kDTypeCount];
  Entry<PoolArgs> max_pool_ref[kDTypeCount];
  Entry<PoolArgs> avg_pool_rows[kDTypeCount];
  Entry<PoolArgs> avg_pool_ref[kDTypeCount];
  Entry<MaxPoolGradArgs> max_pool_grad[kDTypeCount];
  Entry<AvgPoolGradArgs> avg_pool_grad[kDTypeCount];
};

}  // namespace markone
