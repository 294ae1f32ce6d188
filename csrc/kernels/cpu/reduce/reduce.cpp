// Reductions over any dimensions.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_reduce(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
