// Puts the elementwise kernels into the table, file by file.
#include "contract/elementwise.h"

namespace markone::MARKONE_ISA {

void fill_unary(ElementwiseKernels* table);
void fill_unary_grad(ElementwiseKernels* table);
void fill_binary(ElementwiseKernels* table);
void fill_binary_grad(ElementwiseKernels* table);
void fill_compare(ElementwiseKernels* table);
void fill_copy(ElementwiseKernels* table);

void fill_elementwise(ElementwiseKernels* table) {
  fill_unary(table);
  fill_unary_grad(table);
  fill_binary(table);
  fill_binary_grad(table);
  fill_compare(table);
  fill_copy(table);
}

}  // namespace markone::MARKONE_ISA
