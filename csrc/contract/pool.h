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

// Pooling with windows of any kind, in three dimensions: depth, rows, columns (one or two dimensions have
// size 1 in front). The windows of a dimension are those of PoolArgs (kPlainWindows); or output o takes
// places floor(o * size / out) to ceil((o + 1) * size / out) (kAdaptiveWindows); or `kernel` places from
// floor((o + u) * alpha) - floor(u * alpha) with alpha = (size - kernel) / (out - 1) and u the plane's
// sample, the last window ending at the end (kFractionalWindows; Graham, "Fractional max-pooling", 2014).
enum : int64_t { kPlainWindows, kAdaptiveWindows, kFractionalWindows };
struct WindowDim {
  int64_t size, out, kernel, stride, pad, dilation;
  int64_t sample;  // fractional: which of the plane's samples
};
struct WindowArgs {
  int64_t planes, kind;
  WindowDim dim[3];
  int64_t count_include_pad, divisor_override;  // average; an override of 0 is none
  int64_t samples_per_plane;
  const void* x;     // [planes, size]; the average's gradient: g [planes, out]
  void* y;           // [planes, out]; the average's gradient: dx [planes, size]
  int64_t* indices;  // [planes, out] the flat place in the plane of what was picked, not for averages
  const void*
      samples;  // in [0, 1): fractional [planes, samples_per_plane], stochastic [planes, out], else null
};

struct PoolKernels {
  // Pooling: a row of outputs at a time in vectors, plain loops.
  Entry<PoolArgs> max_pool_rows[kDTypeCount];
  Entry<PoolArgs> max_pool_ref[kDTypeCount];
  Entry<PoolArgs> avg_pool_rows[kDTypeCount];
  Entry<PoolArgs> avg_pool_ref[kDTypeCount];
  Entry<MaxPoolGradArgs> max_pool_grad[kDTypeCount];
  Entry<AvgPoolGradArgs> avg_pool_grad[kDTypeCount];
  // The maximum, an element by chance (Zeiler & Fergus 2013), the mean.
  Entry<WindowArgs> window_max[kDTypeCount];
  Entry<WindowArgs> window_stochastic[kDTypeCount];
  Entry<WindowArgs> window_avg[kDTypeCount];
  Entry<WindowArgs> window_avg_grad[kDTypeCount];
};

}  // namespace markone
