// Normalisation: of rows (layer, group, instance and RMS norm), of channels over a batch (batch norm), by
// neighbouring channels (local response). Every array is contiguous; all but counts are of the table's type.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Each row of a [rows, n] array by itself: y = (x - mean) * scale * weight + bias, scale = 1 / sqrt(variance
// + eps). Element i of row r has the weight of channel (r % wrap) * (n / inner) + i / inner: layer norm has
// wrap and inner 1, group norm a row a group, wrap groups and inner places a channel.
struct RowNormArgs {
  int64_t rows, n, wrap, inner;
  double eps;
  int64_t centred;  // 0: RMS norm, in which mean is 0 and scale 1 / sqrt(mean of squares + eps)
  const void* x;
  const void* weight;  // [wrap * n / inner], or null: all 1
  const void* bias;    // the same, or null: all 0
  void* y;
  void* mean;   // [rows]
  void* scale;  // [rows]
};

struct RowNormGradArgs {
  int64_t rows, n, wrap, inner;
  int64_t centred;
  int64_t block;  // rows whose part of dweight is summed by one task, where wrap and inner are 1
  const void* g;
  const void* x;
  const void* weight;
  const void* mean;
  const void* scale;
  void* dx;       // [rows, n], or null: not wanted
  void* dweight;  // [wrap * n / inner], or null
  void* dbias;    // the same
};
// Scratch, in elements of 8 bytes: 2 * n for each block of rows, or 2 for each row and channel in it.

// Each channel of an [outer, channels, inner] array. Training takes mean and variance from x and mixes them
// into the running ones by `momentum`, or 1 / tracked[0] where tracked is not null; else the running ones are
// what counts.
struct BatchNormArgs {
  int64_t outer, channels, inner;
  double eps, momentum;
  int64_t training;
  const int64_t* tracked;
  const void* x;
  const void* weight;  // [channels], or null: all 1
  const void* bias;    // [channels], or null: all 0
  void* running_mean;  // [channels]; null only in training
  void* running_var;   // [channels]: of the unbiased variance
  void* y;
  void* mean;   // [channels]
  void* scale;  // [channels]: 1 / sqrt(variance + eps)
};

struct BatchNormGradArgs {
  int64_t outer, channels, inner;
  int64_t training;
  const void* g;
  const void* x;
  const void* weight;
  const void* mean;
  const void* scale;
  void* dx;       // or null: not wanted
  void* dweight;  // or null
  void* dbias;    // or null
};

// y = x * d^-beta with d[c] = k + alpha / size * sum of x[j]^2 over the channels j in [c - size / 2, c +
// (size - 1) / 2] (Krizhevsky et al. 2012, section 3.3).
struct LocalNormArgs {
  int64_t outer, channels, inner, size;
  double alpha, beta, k;
  const void* x;
  void* y;
};

struct LocalNormGradArgs {
  int64_t outer, channels, inner, size;
  double alpha, beta, k;
  const void* g;
  const void* x;
  void* dx;
};
// Scratch of the gradient: a vector, of 16 elements at most, for each thread and channel.

struct NormKernels {
  Entry<RowNormArgs> row_norm[kDTypeCount];
  Entry<RowNormGradArgs> row_norm_grad[kDTypeCount];
  Entry<BatchNormArgs> batch_norm[kDTypeCount];
  Entry<BatchNormGradArgs> batch_norm_grad[kDTypeCount];
  Entry<LocalNormArgs> local_norm[kDTypeCount];
  Entry<LocalNormGradArgs> local_norm_grad[kDTypeCount];
};

}  // namespace markone
