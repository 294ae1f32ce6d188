// Fused optimiser steps over all parameters.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_optim(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
