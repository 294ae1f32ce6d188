// Puts the kernels of this instruction set into the table. A family is a line here and a file that defines
// it.
#include "contract/table.h"

namespace markone::MARKONE_ISA {

void fill_elementwise(ElementwiseKernels* table);
void fill_index(IndexKernels* table);
void fill_recurrent(RecurrentKernels* table);
void fill_reduce(ReduceKernels* table);
void fill_machine(MachineKernels* table);
void fill_norm(NormKernels* table);
void fill_loss(LossKernels* table);
void fill_softmax(SoftmaxKernels* table);
void fill_sort(SortKernels* table);
void fill_scan(ScanKernels* table);
void fill_pool(PoolKernels* table);
void fill_vision(VisionKernels* table);
void fill_random(RandomKernels* table);
void fill_optim(OptimKernels* table);
void fill_gemm(GemmKernels* table);
void fill_conv(ConvKernels* table);

void fill_table(KernelTable* table) {
  fill_elementwise(table);
  fill_index(table);
  fill_recurrent(table);
  fill_reduce(table);
  fill_machine(table);
  fill_norm(table);
  fill_loss(table);
  fill_softmax(table);
  fill_sort(table);
  fill_scan(table);
  fill_pool(table);
  fill_vision(table);
  fill_random(table);
  fill_optim(table);
  fill_gemm(table);
  fill_conv(table);
}

}  // namespace markone::MARKONE_ISA
