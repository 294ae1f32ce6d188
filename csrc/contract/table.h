// Every kernel that a device must or may have. One table for the reference, one for each instruction set, one
// for CUDA. A field that a table leaves empty falls to the reference (elementwise, reductions) or is passed
// over by the list of implementations of its operation.
#pragma once
#include "contract/conv.h"
#include "contract/dtype.h"
#include "contract/elementwise.h"
#include "contract/gemm.h"
#include "contract/index.h"
#include "contract/loss.h"
#include "contract/machine.h"
#include "contract/norm.h"
#include "contract/optim.h"
#include "contract/pool.h"
#include "contract/random.h"
#include "contract/recurrent.h"
#include "contract/reduce.h"
#include "contract/run.h"
#include "contract/scan.h"
#include "contract/softmax.h"
#include "contract/sort.h"
#include "contract/vision.h"

namespace markone {

struct KernelTable : ConvKernels,
                     ElementwiseKernels,
                     GemmKernels,
                     IndexKernels,
                     LossKernels,
                     MachineKernels,
                     NormKernels,
                     OptimKernels,
                     PoolKernels,
                     RandomKernels,
                     RecurrentKernels,
                     ReduceKernels,
                     ScanKernels,
                     SoftmaxKernels,
                     SortKernels,
                     VisionKernels {
  const char* isa;
};

// Each fills what it has and leaves the rest as it is.
namespace ref {
void fill_table(KernelTable* table);
}
namespace baseline {
void fill_table(KernelTable* table);
}
namespace avx2 {
void fill_table(KernelTable* table);
}
namespace avx512 {
void fill_table(KernelTable* table);
// Where the machine has AVX-512 BF16.
void fill_bf16(KernelTable* table);
}  // namespace avx512
namespace neon {
void fill_table(KernelTable* table);
}

}  // namespace markone
