// Elementwise kernels with broadcasting, and copies between types and layouts.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// A Python number as an operand, kept in both forms so that no integer is rounded.
struct Scalar {
  double f;
  int64_t i;
};

// out[i] = f(in[0][i], in[1][i], in[2][i]) over `shape`. Strides are in elements, zero where an operand
// broadcasts. The shape is coalesced: ndim >= 1, no dimension of size 0 or 1 but for a single one, neighbours
// merged where every operand allows. in[k] is null where the operand is scalar[k]. `out` may be the very same
// window as an input (in place) and otherwise does not overlap one.
struct ElementwiseArgs {
  int64_t ndim;
  int64_t shape[8];
  int64_t out_stride[8];
  int64_t in_stride[3][8];
  void* out;
  const void* in[3];
  Scalar scalar[3];
};

// out[i] = (out type) in[i]. Floating to integer truncates; what does not fit is unspecified but harmless.
struct CopyArgs {
  int64_t ndim;
  int64_t shape[8];
  int64_t out_stride[8];
  int64_t in_stride[8];
  void* out;
  const void* in;  // null: every element becomes `scalar`
  Scalar scalar;
};

// The operations. Each list entry in kernels/common/elementwise.def makes one enumerator, one kernel a type
// and instruction set, one binding, one stub and its tests.
enum UnaryOp : int32_t {
#define MO_UNARY(name, value, derivative, ulp, types) kUnary_##name,
#include "kernels/common/elementwise.def"
  kUnaryCount
};
enum BinaryOp : int32_t {
#define MO_BINARY(name, value, da, db, ulp, types) kBinary_##name,
#include "kernels/common/elementwise.def"
  kBinaryCount
};
enum CompareOp : int32_t {
#define MO_COMPARE(name, value, types) kCompare_##name,
#include "kernels/common/elementwise.def"
  kCompareCount
};
enum TernaryOp : int32_t {
#define MO_TERNARY(name, value, ulp, types) kTernary_##name,
#include "kernels/common/elementwise.def"
  kTernaryCount
};
enum TestOp : int32_t {
#define MO_TEST(name, value, types) kTest_##name,
#include "kernels/common/elementwise.def"
  kTestCount
};

struct ElementwiseKernels {
  Entry<ElementwiseArgs> unary[kUnaryCount][kDTypeCount];
  // in[0] the gradient of the result, in[1] the input x, in[2] the result y.
  Entry<ElementwiseArgs> unary_grad[kUnaryCount][kDTypeCount];
  Entry<ElementwiseArgs> binary[kBinaryCount][kDTypeCount];
  // Of a and of b: in[0] the gradient of the result, in[1] a, in[2] b.
  Entry<ElementwiseArgs> binary_grad[kBinaryCount][2][kDTypeCount];
  Entry<ElementwiseArgs> ternary[kTernaryCount][kDTypeCount];
  Entry<ElementwiseArgs> compare[kCompareCount][kDTypeCount];  // by the type of the inputs, out is bool
  Entry<ElementwiseArgs> test[kTestCount][kDTypeCount];        // by the type of the input, out is bool
  Entry<ElementwiseArgs> where[kDTypeCount];                   // in[0] bool, in[1] and in[2] of the type
  Entry<CopyArgs> copy[kDTypeCount][kDTypeCount];              // [from][to]
};

}  // namespace markone
