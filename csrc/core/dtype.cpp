#include "core/dtype.h"

#include <utility>

namespace markone {

DType promote(DType a, DType b) {
  if (a == b) return a;
  const auto rank = [](DType t) {
    switch (t) {
      case kBool:
        return 0;
      case kU8:
        return 1;
      case kI32:
        return 2;
      case kI64:
        return 3;
      case kF16:
      case kBF16:
        return 4;
      case kF32:
        return 5;
      default:
        return 6;
    }
  };
  if (rank(a) == rank(b)) return kF32;  // float16 with bfloat16: neither holds the other
  return rank(a) > rank(b) ? a : b;
}

}  // namespace markone
