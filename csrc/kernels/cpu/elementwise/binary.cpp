// MO_BINARY and MO_TERNARY of elementwise.def: the values.
#include "kernels/cpu/elementwise/blocks.h"

MO_ISA_BEGIN

// Integer division is the one operation that some values have no result for.
constexpr bool divides(const char* name) {
  return __builtin_strcmp(name, "fmod") == 0 || __builtin_strcmp(name, "remainder") == 0 ||
         __builtin_strcmp(name, "floor_divide") == 0;
}

#define MO_BINARY(name, value, da, db, ulp, types)                 \
  struct Binary_##name {                                           \
    static constexpr Types kTypes = types;                         \
    static constexpr bool kDivides = divides(#name);               \
    template <class X>                                             \
    static MO_INLINE X of(X a, X b, X) {                           \
      return value;                                                \
    }                                                              \
    template <class C>                                             \
    static constexpr BlockFn run = map_block<Binary_##name, 2, C>; \
  };
#define MO_TERNARY(name, value, ulp, types)                         \
  struct Ternary_##name {                                           \
    static constexpr Types kTypes = types;                          \
    static constexpr bool kDivides = false;                         \
    template <class X>                                              \
    static MO_INLINE X of(X x, X a, X b) {                          \
      return value;                                                 \
    }                                                               \
    template <class C>                                              \
    static constexpr BlockFn run = map_block<Ternary_##name, 3, C>; \
  };
#include "kernels/common/elementwise.def"

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_binary(ElementwiseKernels* table) {
#define MO_BINARY(name, ...) \
  fill_row<Binary_##name, 2, false>(table->binary[kBinary_##name], MO_NAMES(#name));
#define MO_TERNARY(name, ...) \
  fill_row<Ternary_##name, 3, false>(table->ternary[kTernary_##name], MO_NAMES(#name));
#include "kernels/common/elementwise.def"
}

}  // namespace markone::MARKONE_ISA
