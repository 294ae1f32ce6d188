// Max and average pooling and their gradients.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_pool(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
