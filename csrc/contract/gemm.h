// Matrix multiplication.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// No kernel takes a deeper block of K, or packs more columns of B, at a time. Scratch is sized by them.
inline constexpr int64_t kGemmMaxDepth = 512;
inline constexpr int64_t kGemmMaxColumns = 3072;
inline constexpr int64_t kGemmMaxRows = 256;
// What a panel may have in columns, at most, so what rounding up to whole panels may add.
inline constexpr int64_t kGemmMaxPanel = 64;

// C = A B + bias, for each item of a batch. C is m x n, A is m x k, B is k x n, each with two strides in
// elements; rows of C are contiguous. Each output starts from 0 (from C where `accumulate`) and adds a(i, l)
// * b(l, j) for l = 0 .. k-1 in this order, one fused multiply-add each (a multiply and an add where the
// machine has no fused one); then the bias is added. So every path gives the same bits. Nothing overlaps C.
struct GemmArgs {
  int64_t m, n, k;
  const void* a;
  const void* b;
  void* c;
  const void* bias;  // n contiguous numbers, or null
  int64_t a_row, a_col, b_row, b_col, c_row;
  // The batch is coalesced: at least one dimension, strides in elements, 0 where an operand broadcasts.
  int64_t batch_ndim;
  int64_t batch_shape[8], batch_a[8], batch_b[8], batch_c[8];
  int64_t batch;  // the product of batch_shape
  int64_t accumulate;
  int64_t slots;     // the scratch has room for this many threads
  int64_t packed_b;  // b is what gemm_pack made of B; only for gemm_packed and a batch of 1
};

// The product of two vectors alone may be summed in another order: blocks of so many products, added from the
// first to the last.
inline constexpr int64_t kDotBlock = 32768;

// Products of bfloat16 and float16 have C and the bias in float32; gemm_packed and gemm_pack read the halves
// as they are stored, and gemm_packed takes any shape. Where the machine has an instruction for bfloat16 each
// step adds two neighbours of K, denormals count as zero, and what is packed are such pairs.
struct GemmKernels {
  // Two contiguous vectors.
  Entry<GemmArgs> gemm_dot[kDTypeCount];
  // Matrix multiplication: straight from A and B (small, skinny), packed into panels, plain loops.
  Entry<GemmArgs> gemm_direct[kDTypeCount];
  Entry<GemmArgs> gemm_packed[kDTypeCount];
  // Writes B to c, contiguous, as gemm_packed reads it: at most (n + kGemmMaxPanel) * k numbers.
  Entry<GemmArgs> gemm_pack[kDTypeCount];
  Entry<GemmArgs> gemm_ref[kDTypeCount];
};

}  // namespace markone
