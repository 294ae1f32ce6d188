// Puts the elementwise kernels into the table, file by file.
#include "contract/table.h"

namespace markone::MARKONE_ISA {

void fill_unary(KernelTable* table);
void fill_unary_grad(KernelTable* table);
void fill_binary(KernelTable* table);
void fill_compare(KernelTable* table);
void fill_copy(KernelTable* table);

void fill_elementwise(KernelTable* table) {
  fill_unary(table);
  fill_unary_grad(table);
  fill_binary(table);
  fill_compare(table);
  fill_copy(table);
}

}  // namespace markone::MARKONE_ISA
