// Indexing moves memory and gains nothing from an instruction set: the table keeps the reference's kernels.
#include "contract/table.h"

namespace markone::MARKONE_ISA {

void fill_index(KernelTable*) {}

}  // namespace markone::MARKONE_ISA
