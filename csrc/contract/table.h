// Every kernel that a device must or may have. One table for the reference, one for each instruction set, one
// for CUDA. A field that a table leaves empty falls to the reference (elementwise, reductions) or is passed
// over by the list of implementations of its operation.
#pragma once
#include "contract/conv.h"
#include "contract/dtype.h"
#include "contract/elementwise.h"
#include "contract/gemm.h"
#include "contract/index.h"
#include "contract/optim.h"
#include "contract/pool.h"
#include "contract/random.h"
#include "contract/reduce.h"
#include "contract/run.h"
#include "contract/softmax.h"
#include "contract/vision.h"

namespace markone {

template <class Args>
struct Entry {
  KernelFn<Args> function;
  const char* name;  // operation, type, tile, instruction set: "gemm_f32_6x16_avx2"
};

struct KernelTable {
  const char* isa;

  Entry<ElementwiseArgs> unary[kUnaryCount][kDTypeCount];
  // in[0] the gradient of the result, in[1] the input x, in[2] the result y.
  Entry<ElementwiseArgs> unary_grad[kUnaryCount][kDTypeCount];
  Entry<ElementwiseArgs> binary[kBinaryCount][kDTypeCount];
  Entry<ElementwiseArgs> compare[kCompareCount][kDTypeCount];  // by the type of the inputs, out is bool
  Entry<ElementwiseArgs> test[kTestCount][kDTypeCount];        // by the type of the input, out is bool
  Entry<ElementwiseArgs> where[kDTypeCount];                   // in[0] bool, in[1] and in[2] of the type
  Entry<CopyArgs> copy[kDTypeCount][kDTypeCount];              // [from][to]

  Entry<IndexArgs> index_get[kDTypeCount];
  Entry<IndexArgs> index_put[kDTypeCount];
  Entry<IndexArgs> index_add[kDTypeCount];
  Entry<GatherArgs> gather[kDTypeCount];
  Entry<GatherArgs> scatter[kDTypeCount];
  Entry<GatherArgs> scatter_add[kDTypeCount];
  Entry<NonzeroArgs> nonzero;
  Entry<ArangeArgs> arange[kDTypeCount];

  // Matrix multiplication: straight from A and B (small, skinny), packed into panels, plain loops.
  Entry<GemmArgs> gemm_direct[kDTypeCount];
  Entry<GemmArgs> gemm_packed[kDTypeCount];
  Entry<GemmArgs> gemm_ref[kDTypeCount];

  // Convolution and the gradient of its input, and the gradient of its weights: as a product of matrices
  // whose right side is never stored, and plain loops.
  Entry<ConvArgs> conv_implicit[kDTypeCount];
  Entry<ConvArgs> conv_ref[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_implicit[kDTypeCount];
  Entry<ConvWeightGradArgs> conv_weight_grad_ref[kDTypeCount];

  Entry<RandomBitsArgs> random_bits;
  Entry<UniformArgs> uniform[kDTypeCount];
  Entry<NormalArgs> normal[kDTypeCount];
  Entry<RandintArgs> randint;
  Entry<RandpermArgs> randperm;
  Entry<BernoulliArgs> bernoulli;
  Entry<DropoutArgs> dropout[kDTypeCount];
  Entry<DropoutGradArgs> dropout_grad[kDTypeCount];

  Entry<OptimArgs> sgd_step;
  Entry<OptimArgs> adam_step;
  Entry<ReduceArgs> reduce[kReduceCount][kDTypeCount];  // by the type of the input
  Entry<ArgReduceArgs> argmax[kDTypeCount];
  Entry<ArgReduceArgs> argmin[kDTypeCount];

  Entry<SoftmaxArgs> softmax[kDTypeCount];
  Entry<SoftmaxArgs> log_softmax[kDTypeCount];
  Entry<SoftmaxGradArgs> softmax_grad[kDTypeCount];
  Entry<SoftmaxGradArgs> log_softmax_grad[kDTypeCount];
  Entry<CrossEntropyArgs> cross_entropy[kDTypeCount];
  Entry<CrossEntropyGradArgs> cross_entropy_grad[kDTypeCount];

  // Pooling: a row of outputs at a time in vectors, plain loops.
  Entry<PoolArgs> max_pool_rows[kDTypeCount];
  Entry<PoolArgs> max_pool_ref[kDTypeCount];
  Entry<PoolArgs> avg_pool_rows[kDTypeCount];
  Entry<PoolArgs> avg_pool_ref[kDTypeCount];
  Entry<MaxPoolGradArgs> max_pool_grad[kDTypeCount];
  Entry<AvgPoolGradArgs> avg_pool_grad[kDTypeCount];

  Entry<ResizeArgs> resize_bilinear[kDTypeCount];
  Entry<ResizeArgs> resize_bilinear_grad[kDTypeCount];
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
}
namespace neon {
void fill_table(KernelTable* table);
}

}  // namespace markone
