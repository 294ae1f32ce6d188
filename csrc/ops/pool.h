// Pooling with PyTorch's rules: [N, C, H, W] or [C, H, W] in two dimensions, and with windows of any kind in
// one to three.
#pragma once
#include <optional>
#include <utility>

#include "core/array.h"

namespace markone {

struct PoolOptions {
  Dims kernel, stride, padding,
      dilation;  // each one number or (height, width); an empty stride is the kernel
  bool ceil_mode = false;
  bool count_include_pad = true;  // average
  std::optional<int64_t> divisor_override;
};

// The maxima and, where `indices` is asked for, the flat place of each in its plane (int64), else an empty
// array.
std::pair<Array, Array> max_pool2d(const Array& x, const PoolOptions& options, bool indices);
// The gradient of x, which has `input_shape`, for any pooling that picks elements: its last `spatial`
// dimensions were pooled.
Array max_pool_grad(const Array& g, const Array& indices, const Dims& input_shape, int spatial);

Array avg_pool2d(const Array& x, const PoolOptions& options);
Array avg_pool2d_grad(const Array& g, const Dims& input_shape, const PoolOptions& options);

// The same in three dimensions, [N, C, D, H, W] or [C, D, H, W].
std::pair<Array, Array> max_pool3d(const Array& x, const PoolOptions& options);
Array avg_pool3d(const Array& x, const PoolOptions& options);
Array avg_pool3d_grad(const Array& g, const Dims& input_shape, const PoolOptions& options);

// Windows that share the last dimensions of x out among `output_size`, which has one to three entries.
std::pair<Array, Array> adaptive_max_pool(const Array& x, const Dims& output_size);
Array adaptive_avg_pool(const Array& x, const Dims& output_size);
Array adaptive_avg_pool_grad(const Array& g, const Dims& input_shape, int spatial);

// Windows of `kernel` at places drawn by samples [N, C, spatial] of x's type, in [0, 1); two or three
// dimensions.
std::pair<Array, Array> fractional_max_pool(const Array& x, const Dims& kernel, const Dims& output_size,
                                            const Array& samples);
// One element of each window by chance; samples in [0, 1), of the result's shape and x's type.
std::pair<Array, Array> stochastic_pool2d(const Array& x, const PoolOptions& options, const Array& samples);

// How many windows there are, after the checks that they all share.
int64_t pool_out_size(const char* op, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                      int64_t dilation, bool ceil_mode);
// float32 for the 16-bit types; raises TypeError for integers.
DType pool_type(const char* op, const Array& x);

}  // namespace markone
