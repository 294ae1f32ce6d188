// MO_UNARY of elementwise.def: the values.
#include "kernels/cpu/elementwise/blocks.h"

MO_ISA_BEGIN

#define MO_UNARY(name, value, derivative, ulp, types)             \
  struct Unary_##name {                                           \
    static constexpr Types kTypes = types;                        \
    static constexpr bool kDivides = false;                       \
    template <class X>                                            \
    static MO_INLINE X of(X x, X, X) {                            \
      return value;                                               \
    }                                                             \
    template <class C>                                            \
    static constexpr BlockFn run = map_block<Unary_##name, 1, C>; \
  };
#include "kernels/common/elementwise.def"

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_unary(ElementwiseKernels* table) {
#define MO_UNARY(name, ...) fill_row<Unary_##name, 1, false>(table->unary[kUnary_##name], MO_NAMES(#name));
#include "kernels/common/elementwise.def"
}

}  // namespace markone::MARKONE_ISA
