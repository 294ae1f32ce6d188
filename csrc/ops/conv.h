// 2-d convolution and its two gradients, NCHW by shape, any strides.
#pragma once
#include "core/array.h"

namespace markone {

// Two numbers each, or one for both axes. Padding is with zeros, the same on both sides.
struct ConvParams {
  Dims stride{1}, padding{0}, dilation{1};
  int64_t groups = 1;
};

// x [N, C, H, W], weight [O, C / groups, R, S], bias [O] or empty -> [N, O, OH, OW] with
// OH = (H + 2 padding - dilation (R - 1) - 1) / stride + 1.
Array conv2d(const Array& x, const Array& weight, const Array& bias, const ConvParams& params);
// The gradients of x and of weight from g, that of the result.
Array conv2d_input_grad(const Array& g, const Array& weight, const Dims& input_shape,
                        const ConvParams& params);
Array conv2d_weight_grad(const Array& g, const Array& x, const Dims& weight_shape, const ConvParams& params);

}  // namespace markone
