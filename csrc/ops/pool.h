// Max and average pooling of [N, C, H, W] or [C, H, W], with PyTorch's rules.
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
// The gradient of x, which has `input_shape`.
Array max_pool2d_grad(const Array& g, const Array& indices, const Dims& input_shape);

Array avg_pool2d(const Array& x, const PoolOptions& options);
Array avg_pool2d_grad(const Array& g, const Dims& input_shape, const PoolOptions& options);

}  // namespace markone
