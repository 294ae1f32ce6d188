// Elementwise kernels, one an entry of elementwise.def and type.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_elementwise(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
