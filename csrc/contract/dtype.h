// The element types. The numbers index kernel tables, so their order is part of the contract.
#pragma once
#include <cstdint>

namespace markone {

enum DType : int32_t { kF32, kF64, kBF16, kF16, kI64, kI32, kU8, kBool, kDTypeCount };

}  // namespace markone
