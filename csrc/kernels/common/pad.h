// Padding: which element a place takes. Internal to the file that includes it.
#pragma once
#include <stdint.h>

#include "contract/vision.h"

#ifndef MO_SHARED  // CUDA's are for the device too
#define MO_SHARED
#endif
#ifndef MO_ISA_BEGIN
#define MO_ISA_BEGIN               \
  namespace markone::MARKONE_ISA { \
  namespace {
#define MO_ISA_END \
  }                \
  }
#endif

MO_ISA_BEGIN

MO_SHARED inline int64_t padded_size(const PadDim& d) { return d.before + d.size + d.after; }

// Place `at` of the padded dimension; -1 where it takes the constant.
MO_SHARED inline int64_t pad_source(const PadDim& d, int64_t mode, int64_t at) {
  const int64_t i = at - d.before, last = d.size - 1;
  if (i >= 0 && i <= last) return i;
  if (mode == kPadConstant) return -1;
  if (mode == kPadReplicate) return i < 0 ? 0 : last;
  if (mode == kPadCircular) return i < 0 ? i + d.size : i - d.size;
  return i < 0 ? -i : 2 * last - i;
}

MO_ISA_END
