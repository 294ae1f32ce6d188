// Matrix multiplication on the CUDA cores: fused multiply-adds for floating types, wrapping sums for
// integers.
#include "contract/gemm.h"
#include "kernels/cuda/device/tile.cuh"

namespace markone::cuda {
namespace {

// The 16-bit types are summed in float and rounded once, integers wrap in 64 bits.
template <class T>
struct SumOf {
  using type = uint64_t;
};
template <>
struct SumOf<float> {
  using type = float;
};
template <>
struct SumOf<double> {
  using type = double;
};
template <>
struct SumOf<BF16> {
  using type = float;
};
template <>
struct SumOf<F16> {
  using type = float;
};

template <class T>
struct Product {
  using Sum = typename SumOf<T>::type;
  GemmArgs args;
  int64_t m, n, k, items;
  bool a_deep, b_deep;

  __device__ int64_t offset(int64_t item, const int64_t* stride) const {
    int64_t at = 0;
#pragma unroll 1
    for (int64_t d = args.batch_ndim - 1; d >= 0; --d) {
      at += item % args.batch_shape[d] * stride[d];
      item /= args.batch_shape[d];
    }
    return at;
  }
  static __device__ Sum widened(T x) { return static_cast<Sum>(Widen<T>::of(x)); }
  __device__ Sum a(int64_t item, int64_t i, int64_t l) const {
    return widened(
        static_cast<const T*>(args.a)[offset(item, args.batch_a) + i * args.a_row + l * args.a_col]);
  }
  __device__ Sum b(int64_t item, int64_t l, int64_t j) const {
    return widened(
        static_cast<const T*>(args.b)[offset(item, args.batch_b) + l * args.b_row + j * args.b_col]);
  }
  __device__ T* c(int64_t item, int64_t i, int64_t j) const {
    return static_cast<T*>(args.c) + offset(item, args.batch_c) + i * args.c_row + j;
  }
  __device__ Sum start(int64_t item, int64_t i, int64_t j) const {
    return args.accumulate ? widened(*c(item, i, j)) : Sum(0);
  }
  __device__ void store(int64_t item, int64_t i, int64_t j, Sum sum) const {
    if (args.bias) sum += widened(static_cast<const T*>(args.bias)[j]);
    *c(item, i, j) = cast_one<T>(sum);
  }
};

template <class T>
void gemm(const GemmArgs* args, const Run* run) {
  product(run, Product<T>{*args, args->m, args->n, args->k, args->batch, args->a_col == 1, args->b_col != 1});
}

}  // namespace

void fill_gemm(GemmKernels* table) {
  table->gemm_ref[kF32] = {gemm<float>, "gemm_f32_64x64x16_cuda"};
  table->gemm_ref[kF64] = {gemm<double>, "gemm_f64_64x64x16_cuda"};
  table->gemm_ref[kBF16] = {gemm<BF16>, "gemm_bf16_64x64x16_cuda"};
  table->gemm_ref[kF16] = {gemm<F16>, "gemm_f16_64x64x16_cuda"};
  table->gemm_ref[kI64] = {gemm<int64_t>, "gemm_i64_64x64x16_cuda"};
  table->gemm_ref[kI32] = {gemm<int32_t>, "gemm_i32_64x64x16_cuda"};
  table->gemm_ref[kU8] = {gemm<uint8_t>, "gemm_u8_64x64x16_cuda"};
}

}  // namespace markone::cuda
