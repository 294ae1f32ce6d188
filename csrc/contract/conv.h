// Convolution of one to three axes and its two gradients; unfold and fold.
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
  // The input is read where it lies (period 0), or from planes copied with their zeros, one for each tap of
  // d: tap t of h or w reads plane t % period, t / period * step positions further on, at stride 1.
  int64_t period_h, period_w, step_h, step_w;
  int64_t width, plane;  // numbers from one row of a plane to the next, and from plane to plane
  // Where positive, the inputs of the outputs of so many images are copied side by side for each tap, so that
  // no column of the product is wasted; rows of it are `columns` numbers apart.
  int64_t images, columns;
  // Output channels are the lanes of a vector and not the rows of a tile: no gap between rows of outputs.
  bool lanes;
  // Winograd: tiles a chunk, and into how many the output channels are cut; rows and depth are whole vectors.
  int64_t tiles, groups;
  // Scratch, in bytes: a table of offsets and packed weights (or partial sums), then so much for each of
  // `slots` threads.
  int64_t table_bytes, shared_bytes, slot_bytes, slots;
};

// From image to image (of weights: from row to row), group to group, .., in elements; any sign.
struct ConvStrides {
  int64_t outer, group, channel, d, h, w;
};

// What a convolution and its gradients have in common: so many images of groups * depth channels, weights of
// groups * rows output channels, their taps along each axis. Fewer axes than three have d (and h) of one tap
// at one place.
struct ConvImage {
  int64_t batch, groups, rows, depth;  // rows and depth of one group
  ConvAxis d, h, w;
  ConvStrides x;  // of the input
  // Between two neighbours of the input along h and w lie so many zeros less one; h.in and w.in count them.
  int64_t spread;
  ConvTiling tiling;
};

// y[n, g, m, d, h, w] = bias[g, m] + sum over c, q, r, s of x[n, g, c, ...] * weight[g, m, c, q, r, s],
// summed in the order of c, q, r, s from 0 on, the bias last. This serves the forward convolution and, with
// the weights read backwards, the gradient of its input.
struct ConvArgs {
  const void* x;
  const void* weight;
  const void* bias;  // groups * rows contiguous numbers, or null
  void* y;           // overlaps nothing
  ConvImage image;
  ConvStrides weight_at, y_at;
};

// weight[g, m, c, q, r, s] = sum over n, d, h, w of gradient[n, g, m, d, h, w] * x[n, g, c, ...], in the
// order of n, d, h, w within a part of `images` images; the parts are added from the first to the last.
struct ConvWeightGradArgs {
  const void* x;
  const void* gradient;
  void* weight;  // contiguous
  ConvImage image;
  ConvStrides gradient_at;
  int64_t images, parts;
};

// Columns of windows, contiguous: cols[p, q, r, s, d, h, w] is what output (d, h, w) meets at tap (q, r, s)
// of plane p, [planes, d.in, h.in, w.in] contiguous. Unfold reads x and writes cols; fold sums cols into x,
// in the order of q, r, s.
struct UnfoldArgs {
  int64_t planes;
  ConvAxis d, h, w;
  const void* from;
  void* to;
};

// What a tile of any instruction set may write or read past the end of its rows, in numbers; and at most how
// many of the zeros to the left of a row also serve as those to the right of the row before.
inline constexpr int64_t kConvSlack = 128, kConvShared = 32;
// Blocks of output channels in a weight gradient are so many, whole tiles of every instruction set; a tile is
// at most kConvTile wide.
inline constexpr int64_t kConvPanel = 96, kConvTile = 64;

// Rows of outputs whose sums over the taps of a column wait together where products are added.
inline constexpr int64_t kConvSums = 4;

// Winograd: every vector of floats divides kConvLanes; between the planes of two products are so many numbers
// more, because lines a power of two apart fall into the same place of a cache; the tiles of a run take up to
// kConvRunNumbers.
inline constexpr int64_t kConvLanes = 16, kConvStagger = 16, kConvRunNumbers = 8192;

struct ConvKernels {
  // Convolution and the gradient of its input, and the gradient of its weights: by Winograd's filtering with
  // tiles of 4x4 and 2x2 outputs, channel by channel where each is a group, as products of each tap with
  // every input that are then added, as a product of matrices whose right side is never stored, and plain
  // loops.
  Entry<ConvArgs> conv_winograd4[kDTypeCount];
  Entry<ConvArgs> conv_winograd2[kDTypeCount];
  Entry<ConvArgs> conv_depthwise[kDTypeCount];
  Entry<ConvArgs> conv_columns[kDTypeCount];
  Entry<ConvArgs> conv_implicit[kDTypeCount];
  Entry<ConvArgs> conv_ref[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_winograd4[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_winograd2[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_depthwise[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_implicit[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_ref[kDTypeCount];
  Entry<UnfoldArgs> unfold[kDTypeCount];
  Entry<UnfoldArgs> fold[kDTypeCount];
};

}  // namespace markone
