// Launching, and what every kernel does about indices and reports.
#pragma once
#include <cuda_runtime.h>

#include "contract/device.h"
#include "contract/run.h"

namespace markone::cuda {

// Nothing of a kernel is worth more than this many blocks at a time: each goes through its share in a loop.
constexpr int64_t kMaxBlocks = 1 << 16;

inline unsigned blocks_for(int64_t work, int64_t per_block) {
  const int64_t blocks = (work + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > kMaxBlocks ? kMaxBlocks : blocks);
}

// The arguments have to be of exactly the kernel's types.
template <class... Params>
void launch(void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes, const Run* run,
            Params... args) {
#if defined(MARKONE_CUDA_EMULATED)
  emulated::launch(kernel, grid, block, shared_bytes, args...);
  static_cast<void>(run);
#else
  void* pointers[] = {const_cast<void*>(static_cast<const void*>(&args))...};
  cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared_bytes,
                   static_cast<cudaStream_t>(run->stream));
#endif
}

// Dynamic shared memory.
#if defined(MARKONE_CUDA_EMULATED)
#define MO_SHARED_MEMORY(T, name) T* name = reinterpret_cast<T*>(emulated::shared)
#else
#define MO_SHARED_MEMORY(T, name)                    \
  extern __shared__ __align__(128) char mo_shared[]; \
  T* name = reinterpret_cast<T*>(mo_shared)
#endif

// Where a kernel says that `value` at flat index `index` is outside [low, high): of the earliest call that
// has one, the smallest index is kept. Rare, so a lock is fine.
struct Reporter {
  DeviceReport* report;
  int64_t call;

  __device__ void operator()(int64_t index, int64_t value, int64_t low, int64_t high) const {
    for (;;) {
      if (atomicCAS(&report->lock, 0u, 1u) != 0u) continue;
      volatile DeviceReport* kept = report;
      if (!kept->seen || call < kept->call || (call == kept->call && index < kept->index)) {
        kept->seen = 1;
        kept->call = call;
        kept->index = index;
        kept->value = value;
        kept->low = low;
        kept->high = high;
      }
      __threadfence();
      atomicExch(&report->lock, 0u);
      return;
    }
  }
};
inline Reporter reporter(const Run* run) { return {run->device_report, run->call}; }

// Division by a number that is known before the launch: a multiplication and a shift (Granlund and Montgomery
// 1994), for indices below 2^31.
struct Divider {
  uint32_t divisor, multiplier, shift;

  __device__ void split(uint32_t n, uint32_t* quotient, uint32_t* rest) const {
    *quotient = divisor == 1 ? n : (__umulhi(n, multiplier) + n) >> shift;
    *rest = n - *quotient * divisor;
  }
};
inline Divider divider(int64_t n) {
  const auto d = static_cast<uint32_t>(n > 0 ? n : 1);
  uint32_t shift = 0;
  while (shift < 32 && (uint64_t{1} << shift) < d) ++shift;
  const uint64_t one = 1;
  const auto multiplier = static_cast<uint32_t>(((one << 32) * ((one << shift) - d)) / d + 1);
  return {d, multiplier, shift};
}

// From a flat index over a shape to offsets in up to four arrays of different strides.
template <int kArrays>
struct Walk {
  int32_t ndim;
  bool small;  // every index is below 2^31, so that the dividers serve
  Divider dividers[8];
  int64_t shape[8];
  int64_t stride[kArrays][8];

  __device__ void at(int64_t flat, int64_t (&offset)[kArrays]) const {
    for (int k = 0; k < kArrays; ++k) offset[k] = 0;
    if (small) {
      auto rest = static_cast<uint32_t>(flat);
#pragma unroll 1
      for (int d = ndim - 1; d >= 0; --d) {
        uint32_t place, up;
        dividers[d].split(rest, &up, &place);
        rest = up;
        for (int k = 0; k < kArrays; ++k) offset[k] += place * stride[k][d];
      }
    } else {
#pragma unroll 1
      for (int d = ndim - 1; d >= 0; --d) {
        const int64_t place = flat % shape[d];
        flat /= shape[d];
        for (int k = 0; k < kArrays; ++k) offset[k] += place * stride[k][d];
      }
    }
  }
};
template <int kArrays>
Walk<kArrays> walk(int64_t ndim, const int64_t* shape, const int64_t* const (&strides)[kArrays]) {
  Walk<kArrays> out{};
  out.ndim = static_cast<int32_t>(ndim);
  int64_t total = 1;
  for (int64_t d = 0; d < ndim; ++d) total *= shape[d];
  out.small = total < (int64_t{1} << 31);
  for (int64_t d = 0; d < ndim; ++d) {
    out.shape[d] = shape[d];
    if (out.small) out.dividers[d] = divider(shape[d]);
    for (int k = 0; k < kArrays; ++k) out.stride[k][d] = strides[k][d];
  }
  return out;
}

}  // namespace markone::cuda
