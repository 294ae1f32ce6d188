// 2-d convolution and its two gradients.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// One axis: output o and tap t meet input position o * stride + t * dilation - pad, which counts as 0 outside
// [0, in). pad may be negative. Every product of these numbers fits in 64 bits.
struct ConvAxis {
  int64_t out, in, taps, stride, dilation, pad;
};

// How a call is cut and where its input is read from. It only changes the speed.
struct ConvTiling {
  int64_t tile_h, tile_w;  // outputs a chunk
  int64_t rows;            // output channels a chunk, and in a block of packed weights
  int64_t depth;           // input channels a block of K
  // The input is read where it lies (period 0), or from planes copied with their zeros: tap t of an axis
  // reads plane t % period, t / period * step positions further on, at stride 1.
  int64_t period_h, period_w, step_h, step_w;
  int64_t width, plane;  // numbers from one row of a plane to the next, and from plane to plane
  // Scratch, in bytes: a table of offsets and packed weights (or partial sums), then so much for each of
  // `slots` threads.
  int64_t table_bytes, shared_bytes, slot_bytes, slots;
};

// y[n, g, m, h, w] = bias[g, m] + sum over c, r, s of x[n, g, c, ...] * weight[g, m, c, r, s], summed in the
// order of c, r, s from 0 on, the bias last. This serves the forward convolution and, with the weights read
// backwards, the gradient of its input. Strides are in elements; any sign.
struct ConvArgs {
  const void* x;
  const void* weight;
  const void* bias;                    // groups * rows contiguous numbers, or null
  void* y;                             // overlaps nothing
  int64_t batch, groups, rows, depth;  // rows and depth of one group
  ConvAxis h, w;
  int64_t x_batch, x_group, x_channel, x_h, x_w;
  int64_t w_group, w_row, w_channel, w_h, w_w;
  int64_t y_batch, y_group, y_row, y_h, y_w;
  ConvTiling tiling;
};

// weight[g, m, c, r, s] = sum over n, h, w of gradient[n, g, m, h, w] * x[n, g, c, ...], in the order of n,
// h, w within a part of `images` images; the parts are added from the first to the last.
struct ConvWeightGradArgs {
  const void* x;
  const void* gradient;
  void* weight;  // contiguous
  int64_t batch, groups, rows, depth;
  ConvAxis h, w;
  int64_t x_batch, x_group, x_channel, x_h, x_w;
  int64_t g_batch, g_group, g_row, g_h, g_w;
  int64_t images, parts;
  ConvTiling tiling;
};

// What a tile of any instruction set may write or read past the end of its rows, in numbers; and at most how
// many of the zeros to the left of a row also serve as those to the right of the row before.
inline constexpr int64_t kConvSlack = 128, kConvShared = 32;
// Blocks of output channels in a weight gradient are so many, whole tiles of every instruction set; a tile is
// at most kConvTile wide.
inline constexpr int64_t kConvPanel = 96, kConvTile = 64;

struct ConvKernels {
  // Convolution and the gradient of its input, and the gradient of its weights: as a product of matrices
  // whose right side is never stored, and plain loops.
  Entry<ConvArgs> conv_implicit[kDTypeCount];
  Entry<ConvArgs> conv_ref[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_implicit[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_ref[kDTypeCount];
};

}  // namespace markone
