// Matrix multiplication, in plain C++: sums of floating numbers in double, of integers in their own type.
#include "contract/gemm.h"

namespace markone::ref {
namespace {

template <class T>
struct Sum {
  using Type = T;
};
template <>
struct Sum<float> {
  using Type = double;
};
// Unsigned, because signed overflow is undefined; the low bits are the same.
template <>
struct Sum<int64_t> {
  using Type = uint64_t;
};
template <>
struct Sum<int32_t> {
  using Type = uint32_t;
};
template <>
struct Sum<uint8_t> {
  using Type = uint32_t;
};

// One row of one item of the batch.
template <class T>
void row(void* context, int64_t chunk, int) {
  using S = typename Sum<T>::Type;
  const GemmArgs& args = *static_cast<const GemmArgs*>(context);
  int64_t item = chunk / args.m;
  const int64_t i = chunk % args.m;
  const T* a = static_cast<const T*>(args.a) + i * args.a_row;
  const T* b = static_cast<const T*>(args.b);
  T* c = static_cast<T*>(args.c) + i * args.c_row;
  const T* bias = static_cast<const T*>(args.bias);
  for (int64_t d = args.batch_ndim - 1; d >= 0; --d) {
    const int64_t at = item % args.batch_shape[d];
    item /= args.batch_shape[d];
    a += at * args.batch_a[d];
    b += at * args.batch_b[d];
    c += at * args.batch_c[d];
  }
  for (int64_t j = 0; j < args.n; ++j) {
    S sum = args.accumulate ? static_cast<S>(c[j]) : S(0);
    for (int64_t l = 0; l < args.k; ++l)
      sum += static_cast<S>(a[l * args.a_col]) * static_cast<S>(b[l * args.b_row + j * args.b_col]);
    if (bias) sum += static_cast<S>(bias[j]);
    c[j] = static_cast<T>(sum);
  }
}

template <class T>
void gemm(const GemmArgs* args, const Run* run) {
  GemmArgs copy = *args;
  run->parallel(run, args->batch * args->m, row<T>, &copy);
}

}  // namespace

void fill_gemm(GemmKernels* table) {
  table->gemm_ref[kF32] = {gemm<float>, "gemm_f32_ref"};
  table->gemm_ref[kF64] = {gemm<double>, "gemm_f64_ref"};
  table->gemm_ref[kI64] = {gemm<int64_t>, "gemm_i64_ref"};
  table->gemm_ref[kI32] = {gemm<int32_t>, "gemm_i32_ref"};
  table->gemm_ref[kU8] = {gemm<uint8_t>, "gemm_u8_ref"};
}

}  // namespace markone::ref
