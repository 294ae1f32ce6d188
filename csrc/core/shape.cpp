#include "core/shape.h"

namespace markone {

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (int i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

int64_t checked_mul(const char* op, int64_t a, int64_t b) {
  int64_t product = 0;
  MO_CHECK(!__builtin_mul_overflow(a, b, &product), op, "a size of ", a, " x ", b,
           " does not fit in 64 bits");
  return product;
}

int64_t checked_add(const char* op, int64_t a, int64_t b) {
  int64_t sum = 0;
  MO_CHECK(!__builtin_add_overflow(a, b, &sum), op, "a size of ", a, " + ", b, " does not fit in 64 bits");
  return sum;
}

int64_t checked_numel(const char* op, const Dims& shape) {
  bool empty = false;
  for (int64_t size : shape) {
    MO_CHECK(size >= 0, op, "got shape ", shape, ", sizes must not be negative");
    empty |= size == 0;
  }
  if (empty) return 0;
  int64_t count = 1;
  for (int64_t size : shape) {
    MO_CHECK(!__builtin_mul_overflow(count, size, &count), op, "shape ", shape,
             " has more than 2^63 elements");
  }
  return count;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    // Unsigned, because the strides of an empty array may wrap; they never reach an element.
    step = static_cast<int64_t>(static_cast<uint64_t>(step) *
                                static_cast<uint64_t>(std::max<int64_t>(shape[i], 1)));
  }
  return strides;
}

Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims out = longer;
  const int shift = longer.size() - shorter.size();
  for (int i = 0; i < shorter.size(); ++i) {
    int64_t& size = out[i + shift];
    if (size == 1) size = shorter[i];
    MO_CHECK(shorter[i] == size || shorter[i] == 1, op, "shapes ", a, " and ", b, " do not broadcast: size ",
             size, " against ", shorter[i], " at dimension ", i + shift);
  }
  return out;
}

int wrap_dim(const char* op, int64_t dim, int n) {
  const int64_t range = std::max(n, 1);
  MO_CHECK_INDEX(dim >= -range && dim < range, op, "dimension ", dim, " is outside [", -range, ", ",
                 range - 1, "] of an array with ", n, " dimensions");
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

}  // namespace markone
