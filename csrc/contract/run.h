// What a kernel gets from its caller beside its arguments: threads, scratch memory and a way to report a bad
// value.
#pragma once
#include <cstdint>

namespace markone {

struct DeviceReport;  // contract/device.h

// One chunk of a parallel loop. `context` is what the kernel passed to parallel(). `slot` is in [0,
// run->threads) and no two chunks that run at the same time share it: index per-thread scratch with it, never
// a result.
using ChunkFn = void (*)(void* context, int64_t chunk, int slot);

struct Run {
  // Calls body(context, chunk, slot) once for every chunk in [0, chunks), on any thread and in any order,
  // and returns when all have ended.
  void (*parallel)(const Run* run, int64_t chunks, ChunkFn body, void* context);
  // Says that value `value` at flat index `index` is outside [low, high). The smallest index is kept and
  // raised with the operation's name after the call. The kernel skips the access and goes on.
  void (*report)(const Run* run, int64_t index, int64_t value, int64_t low, int64_t high);
  // At least the bytes that the caller's plan asked for, 64-byte aligned, undefined before and after.
  void* scratch;
  // How many threads may run chunks. A result never depends on it.
  int threads;
  // The caller's own; kernels leave it alone.
  void* owner;
  // On a device: the stream to launch on, where to report values, and the number of this call. Scratch is the
  // device's memory then, and parallel and report are not there.
  void* stream = nullptr;
  DeviceReport* device_report = nullptr;
  int64_t call = 0;
};

// Every kernel is a function of this shape for its own argument struct.
template <class Args>
using KernelFn = void (*)(const Args* args, const Run* run);

// What a family's kernels are listed as, at the end of its header.
template <class Args>
struct Entry {
  KernelFn<Args> function;
  const char* name;  // operation, type, tile, instruction set: "gemm_f32_6x16_avx2"
};

}  // namespace markone
