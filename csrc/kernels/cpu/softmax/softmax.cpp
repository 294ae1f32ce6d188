// Softmax, log-softmax and cross-entropy.
#include "contract/table.h"
#include "kernels/cpu/vec.h"

namespace markone::MARKONE_ISA {

void fill_softmax(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
