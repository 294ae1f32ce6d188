// The shapes that most kernels have: a thread for each of n things, or threads that share a line.
#pragma once
#include "kernels/cuda/device/launch.cuh"

namespace markone::cuda {
namespace {

constexpr int kEachThreads = 256, kTeamThreads = 128;

template <class F>
__global__ void __launch_bounds__(kEachThreads) each_kernel(F f, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kEachThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kEachThreads + threadIdx.x; i < n; i += stride) f(i);
}
// f(i) for every i in [0, n), in any order.
template <class F>
void each(const Run* run, int64_t n, F f) {
  if (n > 0) launch(each_kernel<F>, blocks_for(n, kEachThreads), kEachThreads, 0, run, f, n);
}

// The threads that share a line: one, a warp, or a block. Each takes the elements rank(), rank() + kSize ...
template <int kSize_>
struct Team {
  static constexpr int kSize = kSize_;
  static __device__ int rank() { return kSize == 1 ? 0 : static_cast<int>(threadIdx.x) % kSize; }
  // What the threads have, combined in an order that is always the same; every thread gets it.
  template <class X, class F>
  static __device__ X combine(X x, F f) {
    if constexpr (kSize > 1) {
      for (int by = 16; by > 0; by /= 2) {
        const X other = __shfl_down_sync(0xffffffffu, x, by);
        if (static_cast<int>(threadIdx.x) % 32 + by < 32) x = f(x, other);
      }
    }
    if constexpr (kSize == 32) x = __shfl_sync(0xffffffffu, x, 0);
    if constexpr (kSize > 32) {
      __shared__ X warps[kTeamThreads / 32];
      __syncthreads();
      if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
      __syncthreads();
      x = warps[0];
      for (int w = 1; w < kTeamThreads / 32; ++w) x = f(x, warps[w]);
    }
    return x;
  }
  static __device__ double sum(double x) {
    return combine(x, [](double a, double b) { return a + b; });
  }
  static __device__ void meet() {
    if (kSize == 32) __syncwarp();
    if (kSize > 32) __syncthreads();
  }
};

template <int kSize, class F>
__global__ void __launch_bounds__(kTeamThreads) lines_kernel(F f, int64_t lines) {
  constexpr int kTeams = kTeamThreads / kSize;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kTeams;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kTeams + threadIdx.x / kSize; i < lines; i += stride)
    f.template line<Team<kSize>>(i);
}
// f.line<Team>(i) for every line: by one thread each where lines are short or their elements lie apart, so
// that neighbouring threads read neighbours; else by a warp or a block.
template <class F>
void each_line(const Run* run, int64_t lines, int64_t n, int64_t inner, const F& f) {
  if (lines <= 0) return;
  if (n <= 8 || (inner >= 32 && lines >= 4096)) {
    launch(lines_kernel<1, F>, blocks_for(lines, kTeamThreads), kTeamThreads, 0, run, f, lines);
  } else if (n <= 256) {
    launch(lines_kernel<32, F>, blocks_for(lines, kTeamThreads / 32), kTeamThreads, 0, run, f, lines);
  } else {
    launch(lines_kernel<kTeamThreads, F>, blocks_for(lines, 1), kTeamThreads, 0, run, f, lines);
  }
}

// The two types that most families have.
#define MO_CUDA_FLOATS(field, function, name)               \
  table->field[kF32] = {function<float>, name "_f32_cuda"}; \
  table->field[kF64] = {function<double>, name "_f64_cuda"};

}  // namespace
}  // namespace markone::cuda
