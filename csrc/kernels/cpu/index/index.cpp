// Gather and scatter by integer arrays.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_index(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
