// Bilinear resize, the numbers of PyTorch's interpolate(mode="bilinear", antialias=False).
#pragma once
#include "core/array.h"

namespace markone {

// x: [N, C, H, W] or [C, H, W], floating; size: the new (H, W).
Array resize_bilinear(const Array& x, const Dims& size, bool align_corners);
// The gradient of x, which has `input_shape`, from that of the result.
Array resize_bilinear_grad(const Array& g, const Dims& input_shape, bool align_corners);

}  // namespace markone
