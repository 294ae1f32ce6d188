// Bilinear resize of contiguous planes and its gradient.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Output i lies at source position i * (size - 1) / (out_size - 1) where align_corners, else at
// max(0, (i + 0.5) * size / out_size - 0.5), and is the mean of its two neighbours by distance.
// Forward reads [planes, h, w] and writes [planes, out_h, out_w]; the gradient the other way round.
// Scratch: see kResizeScratch.
struct ResizeArgs {
  int64_t planes, h, w, out_h, out_w;
  int64_t align_corners;
  const void* in;
  void* out;
};

// Bytes of scratch for each output column and each output row: two indices and two weights.
enum : int64_t { kResizeScratch = 32 };

struct VisionKernels {
  Entry<ResizeArgs> resize_bilinear[kDTypeCount];
  Entry<ResizeArgs> resize_bilinear_grad[kDTypeCount];
};

}  // namespace markone
