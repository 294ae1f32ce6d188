// Philox random numbers and dropout.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_random(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
