// The product of two matrices that are only known element by element: what GEMM and the convolutions share.
// A block computes a tile of kTile x kTile outputs through tiles of both sides in shared memory, a thread
// kOwn x kOwn of them in registers. Each output is summed over k from 0 on, in its own type.
#pragma once
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kOwn = 4, kTileThreads = 256;
static_assert(kTile / kOwn * (kTile / kOwn) == kTileThreads, "a thread for each square of outputs");

MO_SCALAR float multiply_add(float a, float b, float c) { return ::fmaf(a, b, c); }
MO_SCALAR double multiply_add(double a, double b, double c) { return ::fma(a, b, c); }
MO_SCALAR uint64_t multiply_add(uint64_t a, uint64_t b, uint64_t c) { return a * b + c; }

// A problem has m, n, k, items and its numbers:
//   S start(item, i, j)    what a sum starts from
//   S a(item, i, l), S b(item, l, j)
//   bool a_deep, b_deep    whether neighbours along k lie beside each other in memory
//   void store(item, i, j, S sum)
template <class P>
__global__ void __launch_bounds__(kTileThreads) tile_kernel(P p) {
  using S = typename P::Sum;
  // One more column, so that writing along k meets other banks.
  __shared__ S left[kDepth][kTile + 1], right[kDepth][kTile + 1];
  const int64_t rows = (p.m + kTile - 1) / kTile, columns = (p.n + kTile - 1) / kTile;
  const int thread = threadIdx.x, x = thread % (kTile / kOwn), y = thread / (kTile / kOwn);
  for (int64_t task = blockIdx.x; task < p.items * rows * columns; task += gridDim.x) {
    const int64_t item = task / (rows * columns), top = task / columns % rows * kTile,
                  side = task % columns * kTile;
    S sum[kOwn][kOwn];
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
#pragma unroll
      for (int c = 0; c < kOwn; ++c) {
        const int64_t i = top + y + r * (kTile / kOwn), j = side + x + c * (kTile / kOwn);
        sum[r][c] = i < p.m && j < p.n ? p.start(item, i, j) : S(0);
      }
    }
    for (int64_t l0 = 0; l0 < p.k; l0 += kDepth) {
      for (int e = thread; e < kTile * kDepth; e += kTileThreads) {
        const int al = p.a_deep ? e % kDepth : e / kTile, ai = p.a_deep ? e / kDepth : e % kTile;
        const int bl = p.b_deep ? e % kDepth : e / kTile, bj = p.b_deep ? e / kDepth : e % kTile;
        left[al][ai] = top + ai < p.m && l0 + al < p.k ? p.a(item, top + ai, l0 + al) : S(0);
        right[bl][bj] = side + bj < p.n && l0 + bl < p.k ? p.b(item, l0 + bl, side + bj) : S(0);
      }
      __syncthreads();
      const int depth = p.k - l0 < kDepth ? static_cast<int>(p.k - l0) : kDepth;
      for (int l = 0; l < depth; ++l) {
        S a[kOwn], b[kOwn];
#pragma unroll
        for (int r = 0; r < kOwn; ++r) a[r] = left[l][y + r * (kTile / kOwn)];
#pragma unroll
        for (int c = 0; c < kOwn; ++c) b[c] = right[l][x + c * (kTile / kOwn)];
#pragma unroll
        for (int r = 0; r < kOwn; ++r) {
#pragma unroll
          for (int c = 0; c < kOwn; ++c) sum[r][c] = multiply_add(a[r], b[c], sum[r][c]);
        }
      }
      __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
#pragma unroll
      for (int c = 0; c < kOwn; ++c) {
        const int64_t i = top + y + r * (kTile / kOwn), j = side + x + c * (kTile / kOwn);
        if (i < p.m && j < p.n) p.store(item, i, j, sum[r][c]);
      }
    }
  }
}
template <class P>
void product(const Run* run, const P& p) {
  const int64_t tasks = p.items * ((p.m + kTile - 1) / kTile) * ((p.n + kTile - 1) / kTile);
  if (tasks > 0) launch(tile_kernel<P>, blocks_for(tasks, 1), kTileThreads, 0, run, p);
}

}  // namespace
}  // namespace markone::cuda
