// A kernel is a block function over contiguous runs of its compute type, which the driver calls.
#pragma once
#include "contract/elementwise.h"

namespace markone::MARKONE_ISA {

// out[i] = f(a[i], b[i], c[i]) for i < n, all contiguous. `out` may be one of the inputs. An input whose bit
// is set in `repeated` is one number, as many times as a vector has lanes.
using BlockFn = void (*)(void* out, const void* a, const void* b, const void* c, int64_t n, int64_t repeated);

// How a type is stored and computed in.
struct Format {
  int stored, computed;  // bytes of an element
  BlockFn load, store;   // stored to computed and back; null where they are the same
  DType scalar;          // the computed type, which a number becomes
};

struct KernelSpec {
  BlockFn block;
  int inputs;
  const Format* in[3];
  const Format* out;
  bool divides;  // integers by in[1]: a zero there is reported
  bool repeats;  // the block knows repeated inputs
};

void drive(const ElementwiseArgs* args, const Run* run, const KernelSpec* spec);

}  // namespace markone::MARKONE_ISA
