// Indexing moves memory and gains nothing from an instruction set: the table keeps the reference's kernels.
#include "contract/index.h"

namespace markone::MARKONE_ISA {

void fill_index(IndexKernels*) {}

}  // namespace markone::MARKONE_ISA
