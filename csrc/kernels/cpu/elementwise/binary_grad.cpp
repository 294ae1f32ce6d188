// MO_BINARY of elementwise.def: the gradients.
#include "kernels/cpu/elementwise/blocks.h"

MO_ISA_BEGIN

// in[0] is the gradient of the result, in[1] and in[2] the inputs; a derivative that uses the result makes it
// again. Gradients are floating.
#define MO_BINARY_GRAD(which, name, value, derivative, types)                                 \
  struct Grad_##which##_##name {                                                              \
    static constexpr Types kTypes = static_cast<Types>(types & F);                            \
    static constexpr bool kDivides = false;                                                   \
    template <class X>                                                                        \
    static MO_INLINE X of([[maybe_unused]] X g, [[maybe_unused]] X a, [[maybe_unused]] X b) { \
      [[maybe_unused]] const X y = value;                                                     \
      return derivative;                                                                      \
    }                                                                                         \
    template <class C>                                                                        \
    static constexpr BlockFn run = map_block<Grad_##which##_##name, 3, C>;                    \
  };
#define MO_BINARY(name, value, da, db, ulp, types) \
  MO_BINARY_GRAD(a, name, value, da, types)        \
  MO_BINARY_GRAD(b, name, value, db, types)
#include "kernels/common/elementwise.def"

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_binary_grad(ElementwiseKernels* table) {
#define MO_BINARY(name, ...)                                                                           \
  fill_row<Grad_a_##name, 3, false>(table->binary_grad[kBinary_##name][0], MO_NAMES(#name "_grad_a")); \
  fill_row<Grad_b_##name, 3, false>(table->binary_grad[kBinary_##name][1], MO_NAMES(#name "_grad_b"));
#include "kernels/common/elementwise.def"
}

}  // namespace markone::MARKONE_ISA
