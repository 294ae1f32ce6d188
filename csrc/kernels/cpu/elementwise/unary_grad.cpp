// MO_UNARY of elementwise.def: the gradients.
#include "kernels/cpu/elementwise/blocks.h"

MO_ISA_BEGIN

// in[0] is the gradient of the result, in[1] the input, in[2] the result. Gradients are floating.
#define MO_UNARY(name, value, derivative, ulp, types)                                         \
  struct Grad_##name {                                                                        \
    static constexpr Types kTypes = F;                                                        \
    static constexpr bool kDivides = false;                                                   \
    template <class X>                                                                        \
    static MO_INLINE X of([[maybe_unused]] X g, [[maybe_unused]] X x, [[maybe_unused]] X y) { \
      return derivative;                                                                      \
    }                                                                                         \
    template <class C>                                                                        \
    static constexpr BlockFn run = map_block<Grad_##name, 3, C>;                              \
  };
#include "kernels/common/elementwise.def"

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_unary_grad(ElementwiseKernels* table) {
#define MO_UNARY(name, ...) \
  fill_row<Grad_##name, 3, false>(table->unary_grad[kUnary_##name], MO_NAMES(#name "_grad"));
#include "kernels/common/elementwise.def"
}

}  // namespace markone::MARKONE_ISA
