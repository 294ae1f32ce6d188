// Convolution over one, two or three axes, its transpose and its gradients; [N, C, axes..] by shape, any
// strides.
#pragma once
#include "core/array.h"

namespace markone {

// A number for each axis, or one for all. Padding is with zeros, the same on both sides.
struct ConvParams {
  Dims stride{1}, padding{0}, dilation{1};
  int64_t groups = 1;
};

// Convolutions of 3x3 taps at stride 1 in float32 may use Winograd's filtering with tiles of at most 4x4 or
// 2x2 outputs; 0 switches it off. Its sums are rounded elsewhere, and one Inf or NaN spreads over a tile.
void set_winograd(int64_t tile);
int64_t winograd();

// x [N, C, sizes..], weight [O, C / groups, taps..], bias [O] or empty -> [N, O, out..] with, for each axis,
// out = (size + 2 padding - dilation (taps - 1) - 1) / stride + 1.
Array conv(const Array& x, const Array& weight, const Array& bias, const ConvParams& params);
// The gradients of x and of weight from g, that of the result.
Array conv_input_grad(const Array& g, const Array& weight, const Dims& input_shape, const ConvParams& params);
Array conv_weight_grad(const Array& g, const Array& x, const Dims& weight_shape, const ConvParams& params);
// The input gradient as an operation of its own: x [N, C, sizes..], weight [C, O / groups, taps..], bias [O]
// or empty -> [N, O, out..] with out = (size - 1) stride - 2 padding + dilation (taps - 1) + output_padding +
// 1. output_padding is below the stride.
Array conv_transpose(const Array& x, const Array& weight, const Array& bias, const ConvParams& params,
                     const Dims& output_padding);

// Padding, stride and dilation as above. x [N, C, sizes..] -> [N, C * taps, windows]: the elements of each
// window as a column.
Array unfold(const Array& x, const Dims& taps, const ConvParams& params);
// Its transpose: the sum of the columns [N, C * taps, windows] in images [N, C, sizes..].
Array fold(const Array& columns, const Dims& sizes, const Dims& taps, const ConvParams& params);

}  // namespace markone
