// Puts the kernels of this instruction set into the table. A family is a line here and a file that defines
// it.
#include "contract/table.h"

namespace markone::MARKONE_ISA {

void fill_elementwise(KernelTable* table);
void fill_index(KernelTable* table);
void fill_reduce(KernelTable* table);
void fill_softmax(KernelTable* table);
void fill_pool(KernelTable* table);
void fill_vision(KernelTable* table);
void fill_random(KernelTable* table);
void fill_optim(KernelTable* table);
void fill_gemm(KernelTable* table);
void fill_conv(KernelTable* table);

void fill_table(KernelTable* table) {
  fill_elementwise(table);
  fill_index(table);
  fill_reduce(table);
  fill_softmax(table);
  fill_pool(table);
  fill_vision(table);
  fill_random(table);
  fill_optim(table);
  fill_gemm(table);
  fill_conv(table);
}

}  // namespace markone::MARKONE_ISA
