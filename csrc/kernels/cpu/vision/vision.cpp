// Bilinear resize.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_vision(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
