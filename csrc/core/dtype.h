// Names, sizes and classes of the element types.
#pragma once
#include <cstdint>

#include "contract/dtype.h"

namespace markone {

struct DTypeInfo {
  const char* name;
  int32_t bytes;
  bool floating;
};

inline constexpr DTypeInfo kDTypeInfo[kDTypeCount] = {
    {"float32", 4, true}, {"float64", 8, true}, {"bfloat16", 2, true}, {"float16", 2, true},
    {"int64", 8, false},  {"int32", 4, false},  {"uint8", 1, false},   {"bool", 1, false},
};

constexpr const char* name_of(DType t) { return kDTypeInfo[t].name; }
constexpr int64_t size_of(DType t) { return kDTypeInfo[t].bytes; }
constexpr bool is_floating(DType t) { return kDTypeInfo[t].floating; }
constexpr bool is_half(DType t) { return t == kBF16 || t == kF16; }

// The type of the result of an operation on both, PyTorch's rules for tensors of at least one dimension:
// floating beats integer beats bool, the wider wins, and the two 16-bit floats meet in float32.
DType promote(DType a, DType b);

}  // namespace markone
