// Enough of CUDA to run plain kernels on the CPU, so that the backend's logic is tested where no GPU is: this
// file stands in for the toolkit's header of the same name. A launch runs its blocks one after another; a
// block's threads are fibers that change at barriers and warp exchanges. Device memory is the host's.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#define MARKONE_CUDA_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__
#define __constant__
#define __shared__ static  // one block at a time, by one thread of the host
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

// ---- the runtime ----

using cudaError_t = int;
using cudaStream_t = void*;
using cudaEvent_t = void*;
using cudaGraph_t = void*;
using cudaGraphExec_t = void*;
enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorNotSupported = 801 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total);
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int byte, size_t bytes, cudaStream_t stream);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t last);
inline constexpr unsigned cudaStreamNonBlocking = 1;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
inline cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  return cudaErrorNotSupported;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*) { return cudaErrorNotSupported; }
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long) {
  return cudaErrorNotSupported;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaErrorNotSupported; }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return cudaErrorNotSupported; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaErrorNotSupported; }

// ---- a launch ----

namespace emulated {

struct Thread {
  uint3 index;
  unsigned flat;
};
extern Thread* current;
extern uint3 block;
extern dim3 block_dim, grid_dim;
extern char* shared;

// Calls body(context) once for every thread of every block.
void run(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void* context), void* context);
void barrier();
// Every lane of `mask` gives eight bytes and gets those of the lane that it names.
uint64_t exchange(unsigned mask, uint64_t value, unsigned from_lane);
unsigned ballot(unsigned mask, bool value);

template <class Kernel, class... Args>
void launch(Kernel kernel, dim3 grid, dim3 block, size_t shared_bytes, const Args&... args) {
  auto call = [&] { kernel(args...); };
  run(grid, block, shared_bytes, [](void* context) { (*static_cast<decltype(call)*>(context))(); }, &call);
}

template <class T>
T exchanged(unsigned mask, T value, unsigned lane) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, lane);
  memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace emulated

#define threadIdx (emulated::current->index)
#define blockIdx (emulated::block)
#define blockDim (emulated::block_dim)
#define gridDim (emulated::grid_dim)
inline void __syncthreads() { emulated::barrier(); }
inline unsigned emulated_lane() { return emulated::current->flat % 32; }
template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return emulated::exchanged(mask, value, static_cast<unsigned>(lane) % 32);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return emulated::exchanged(mask, value, emulated_lane() ^ static_cast<unsigned>(lanes));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by) {
  const unsigned lane = emulated_lane() + by;
  return emulated::exchanged(mask, value, lane < 32 ? lane : emulated_lane());
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by) {
  return emulated::exchanged(mask, value, emulated_lane() >= by ? emulated_lane() - by : emulated_lane());
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulated::ballot(mask, false); }
inline unsigned __ballot_sync(unsigned mask, int value) { return emulated::ballot(mask, value != 0); }
inline void __threadfence() {}

template <class T>
T atomicCAS(T* place, T expected, T wanted) {
  const T before = *place;
  if (before == expected) *place = wanted;
  return before;
}
template <class T>
T atomicExch(T* place, T wanted) {
  const T before = *place;
  *place = wanted;
  return before;
}
template <class T>
T atomicAdd(T* place, T by) {
  const T before = *place;
  *place += by;
  return before;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
template <class T>
T __ldg(const T* place) {
  return *place;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
