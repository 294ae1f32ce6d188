// 2-d convolution and its two gradients.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_conv(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
