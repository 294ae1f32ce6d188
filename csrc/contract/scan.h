// Running sums and their like along the middle dimension of a contiguous [outer, n, inner] array.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

enum ScanOp : int64_t { kCumsum, kCumprod, kCummax, kCummin, kLogcumsumexp, kScanCount };

// Floating types are accumulated in double and rounded once; integers wrap. A sum over more than kScanChunk
// elements goes in chunks of that size, each from the sum of the chunks before it.
enum : int64_t { kScanChunk = 32768 };
struct ScanArgs {
  int64_t outer, n, inner;
  int64_t reverse;  // 1: from the end to the front
  const void* x;
  void* y;
  int64_t* indices;  // of the extreme, the last of equal ones: cummax and cummin alone
};
// Scratch: 8 bytes for each chunk of each line, where a line has more than one.

// The gradient of x from that of y = logcumsumexp(x): dx[i] = sum over j >= i of g[j] exp(x[i] - y[j]).
struct LogcumsumexpGradArgs {
  int64_t outer, n, inner;
  const void* g;
  const void* x;
  const void* y;
  void* dx;
};

struct ScanKernels {
  Entry<ScanArgs> scan[kScanCount][kDTypeCount];  // f32, f64, i64
  Entry<LogcumsumexpGradArgs> logcumsumexp_grad[kDTypeCount];
};

}  // namespace markone
