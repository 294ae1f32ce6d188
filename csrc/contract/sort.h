// Sorting along one dimension, and searching in what is sorted.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Ranks [first, last) of the stable order of each line of a contiguous [outer, n, inner] array, n < 2^32.
// Equal elements keep their order, NaN counts as the largest, -0 and 0 are equal. Whole sort: [0, n); the k
// first: [0, k); one element by its rank: [k, k + 1).
struct SortArgs {
  int64_t outer, n, inner;
  int64_t first, last;
  int64_t descending;  // 0 or 1
  const void* x;
  void* values;      // [outer, last - first, inner]
  int64_t* indices;  // the same shape: where in the line each stood
};
// An item, the key of an element with its index, has 16 bytes for types of 8 bytes, else 8. Scratch: two
// lines of items, rounded up to 64 bytes, for each thread; behind them, where n > kSortChunk, kSortDigits
// int64 a chunk.

// A line of more than kSortChunk elements is sorted by all threads together, chunk by chunk; shorter ones are
// sorted whole by one thread.
enum : int64_t { kSortChunk = 65536, kSortDigits = 2048 };
// out[r, i] = how many of the sorted row r of seq lie before values[r, i]: those smaller (right = 0), or not
// larger (right = 1).
struct SearchArgs {
  int64_t rows, n, m;
  int64_t seq_stride, value_stride;  // from row to row; 0 where all rows share
  int64_t right;
  const void* seq;        // [rows, n] or [n], contiguous
  const void* values;     // [rows, m]
  const int64_t* sorter;  // null, or the order in which each row of seq is sorted; values in [0, n) checked
  int64_t* out;           // [rows, m]
};

struct SortKernels {
  Entry<SortArgs> sort[kDTypeCount];
  Entry<SearchArgs> search[kDTypeCount];  // f32, f64, i64
};

}  // namespace markone
