// Gather and scatter by integer arrays, the places of true elements, and counting.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/elementwise.h"
#include "contract/run.h"

namespace markone {

// How a write combines what is there with what comes; NaN wins a maximum and a minimum.
enum IndexWrite : int32_t { kWritePut, kWriteAdd, kWriteMul, kWriteMax, kWriteMin, kWriteCount };

// Advanced indexing. `count` index tuples: tuple i is index[0][i], index[1][i] ... index[index_count - 1][i],
// each in [low[k], size[k]), a negative one counting from the end, and chooses the slice of x at sum of
// index[k][i] * x_index_stride[k]. A slice has the shape `shape` (ndim >= 1, coalesced, no size 0) with
// x_stride in x and y_stride in y, where slice i starts at i * y_index_stride. Strides are in elements.
// index_get writes y; index_write combines x with y, and where tuples are equal it acts in the order of i. A
// tuple outside is reported; index_get leaves zeros for it.
struct IndexArgs {
  int64_t count;
  int64_t index_count;
  int64_t size[8], low[8];  // low: -size, or 0 where negative ones are wrong
  int64_t x_index_stride[8];
  int64_t y_index_stride;
  int64_t ndim;
  int64_t shape[8];
  int64_t x_stride[8];
  int64_t y_stride[8];
  const int64_t* index[8];  // contiguous, `count` each
  void* x;
  void* y;
};

// Along the last dimension of the index's shape (ndim >= 1, no size 0, the other dimensions in any order):
// y[.., j] = x[.., index[.., j]] (gather), or x[.., index[.., j]] combined with y[.., j] (scatter), in the
// order of j. index[..] is in [low, size), a negative one counting from the end; what is outside is reported,
// and gather leaves zero for it.
struct GatherArgs {
  int64_t ndim;
  int64_t shape[8];
  int64_t x_stride[8];  // the last is the step of one index
  int64_t y_stride[8];
  int64_t index_stride[8];
  int64_t size, low;  // low: -size, or 0 where negative ones are wrong
  const int64_t* index;
  void* x;
  void* y;
};

// The places where x [n] is not zero, row-major. With out null counts[c] becomes the number of them in chunk
// c of kNonzeroChunk elements; else counts[c] says how many stand before chunk c, and their coordinates in
// `shape` go to out [total, ndim].
inline constexpr int64_t kNonzeroChunk = 32768;
struct NonzeroArgs {
  int64_t n;
  int64_t ndim;
  int64_t shape[8];
  const uint8_t* x;
  int64_t* counts;
  int64_t* out;
};

// Reports x[i] for which low <= x[i] <= high does not hold; NaN is only reported where `nan` is set. The
// report has the empty range [1, 0) and the bits of x[i] as a double for its value.
inline constexpr int64_t kInRangeChunk = 16384;
struct InRangeArgs {
  int64_t n;
  double low, high;
  bool nan;
  const void* x;  // [n], contiguous
};

// out[i] = start + i * step for i < n, contiguous: floating types in double rounded once, integers wrapping.
struct ArangeArgs {
  int64_t n;
  Scalar start, step;
  void* out;
};

struct IndexKernels {
  Entry<IndexArgs> index_get[kDTypeCount];
  Entry<IndexArgs> index_write[kWriteCount][kDTypeCount];
  Entry<GatherArgs> gather[kDTypeCount];
  Entry<GatherArgs> scatter[kWriteCount][kDTypeCount];
  Entry<NonzeroArgs> nonzero;
  Entry<InRangeArgs> in_range[kDTypeCount];
  Entry<ArangeArgs> arange[kDTypeCount];
};

}  // namespace markone
