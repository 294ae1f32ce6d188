// Matrix multiplication.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_gemm(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
