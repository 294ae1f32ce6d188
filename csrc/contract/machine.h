// What a core can do at best: multiply-adds from registers, and plain streams through memory.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Each of n elements goes through so many steps of y = fma(y, 1/2, 1), in registers.
struct FmaChainArgs {
  int64_t n, steps;
  const void* x;  // [n]
  void* y;        // [n]
};

// Element i of write j becomes j + the sum of element i of every read; without writes chunk c of kStreamChunk
// elements leaves its sum in sums[c]. A write may be one of the reads. All are [n] float32, contiguous.
enum : int64_t { kStreamMost = 4, kStreamChunk = 16384 };
struct StreamArgs {
  int64_t n, reads, writes, repeats;
  int64_t
      nontemporal;  // 1: stores go past the caches, where the machine can and every write is 64-byte aligned
  const float* read[kStreamMost];
  float* write[kStreamMost];
  float* sums;
};

struct MachineKernels {
  Entry<FmaChainArgs> fma_chain[kDTypeCount];  // f32, f64
  Entry<StreamArgs> stream;
};

}  // namespace markone
