#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <chrono>
#include <mutex>
#include <new>
#include <vector>

#include "cuda_runtime.h"

namespace emulated {

Thread* current;
uint3 block;
dim3 block_dim, grid_dim;
char* shared;

namespace {

constexpr size_t kStack = 256 << 10;
constexpr unsigned kWarp = 32;

// A fiber runs one thread after another until one of them waits; then the next fiber goes on.
struct Fiber {
  ucontext_t context;
  void* stack;
  Thread thread;
  enum { kFree, kReady, kBarrier, kWarpWait } state = kFree;
};

struct Warp {
  uint64_t values[kWarp];
  unsigned mask = 0, arrived = 0, left = 0, bits = 0;
};

std::vector<Fiber*> fibers;
ucontext_t scheduler;
Fiber* running;
unsigned next_thread, threads, finished, at_barrier;
std::vector<Warp> warps;
void (*body)(void*);
void* body_context;

void set_thread(Fiber* fiber) {
  const unsigned flat = next_thread++;
  fiber->thread = {{flat % block_dim.x, flat / block_dim.x % block_dim.y, flat / block_dim.x / block_dim.y},
                   flat};
}

void fiber_main() {
  for (;;) {
    while (next_thread < threads) {
      set_thread(running);
      current = &running->thread;
      body(body_context);
      ++finished;
    }
    running->state = Fiber::kFree;
    swapcontext(&running->context, &scheduler);
  }
}

Fiber* make_fiber() {
  auto* fiber = new Fiber;
  fiber->stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = kStack;
  fiber->context.uc_link = &scheduler;
  makecontext(&fiber->context, fiber_main, 0);
  return fiber;
}

void resume(Fiber* fiber) {
  running = fiber;
  current = &fiber->thread;
  swapcontext(&scheduler, &fiber->context);
}

void wait(int state) {
  Fiber* me = running;
  me->state = static_cast<decltype(me->state)>(state);
  swapcontext(&me->context, &scheduler);
}

void run_block() {
  next_thread = finished = at_barrier = 0;
  warps.assign((threads + kWarp - 1) / kWarp, Warp());
  size_t used = 0;
  while (finished < threads) {
    bool moved = false;
    if (next_thread < threads) {
      size_t i = 0;
      while (i < fibers.size() && fibers[i]->state != Fiber::kFree) ++i;
      if (i == fibers.size()) fibers.push_back(make_fiber());
      if (i >= used) used = i + 1;
      fibers[i]->state = Fiber::kReady;
      resume(fibers[i]);
      continue;
    }
    // Threads that have ended count as arrived, as on the device.
    if (at_barrier > 0 && at_barrier + finished == threads) {
      at_barrier = 0;
      for (size_t i = 0; i < used; ++i) {
        if (fibers[i]->state == Fiber::kBarrier) fibers[i]->state = Fiber::kReady;
      }
    }
    for (size_t i = 0; i < used; ++i) {
      if (fibers[i]->state != Fiber::kReady) continue;
      moved = true;
      resume(fibers[i]);
    }
    if (!moved) {
      fputs("emulated CUDA: a block's threads wait for each other for ever\n", stderr);
      abort();
    }
  }
}

// All lanes of the mask meet; the last one lets the others go on.
Warp& meet(unsigned mask, uint64_t value, bool bit) {
  Warp& warp = warps[current->flat / kWarp];
  const unsigned lane = current->flat % kWarp;
  // Those of the meeting before have to be gone.
  while (warp.left) {
    running->state = Fiber::kReady;
    swapcontext(&running->context, &scheduler);
  }
  const unsigned inside = threads - current->flat / kWarp * kWarp;
  if (inside < kWarp) mask &= (1u << inside) - 1;
  warp.values[lane] = value;
  warp.bits = warp.arrived ? warp.bits : 0;
  if (bit) warp.bits |= 1u << lane;
  warp.arrived |= 1u << lane;
  if (warp.arrived == mask) {
    warp.left = mask;
    warp.arrived = 0;
    return warp;
  }
  while (!(warp.left >> lane & 1)) {
    running->state = Fiber::kReady;
    swapcontext(&running->context, &scheduler);
  }
  return warp;
}

}  // namespace

void barrier() {
  ++at_barrier;
  wait(Fiber::kBarrier);
}

uint64_t exchange(unsigned mask, uint64_t value, unsigned from_lane) {
  const unsigned lane = current->flat % kWarp;
  Warp& warp = meet(mask, value, false);
  const uint64_t found = warp.values[from_lane];
  warp.left &= ~(1u << lane);
  return found;
}

unsigned ballot(unsigned mask, bool value) {
  const unsigned lane = current->flat % kWarp;
  Warp& warp = meet(mask, 0, value);
  const unsigned found = warp.bits;
  warp.left &= ~(1u << lane);
  return found;
}

void run(dim3 grid, dim3 block_size, size_t shared_bytes, void (*function)(void*), void* context) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::vector<char> memory(shared_bytes + 128);
  shared = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128);
  body = function;
  body_context = context;
  block_dim = block_size;
  grid_dim = grid;
  threads = block_size.x * block_size.y * block_size.z;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block = {x, y, z};
        run_block();
      }
    }
  }
}

}  // namespace emulated

// ---- the runtime: one device, whose memory is the host's and whose stream is always done ----

namespace {
double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
// Small enough that a test can run out of it.
constexpr size_t kMemory = size_t{4} << 30;
}  // namespace

cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  snprintf(properties->name, sizeof properties->name, "emulated");
  properties->major = 8;
  properties->minor = 0;
  properties->multiProcessorCount = 2;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *free_bytes = *total = kMemory;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = bytes <= kMemory ? aligned_alloc(256, (bytes + 255) / 256 * 256) : nullptr;
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* memory) { return free(memory), cudaSuccess; }
cudaError_t cudaMallocHost(void** memory, size_t bytes) { return cudaMalloc(memory, bytes); }
cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int byte, size_t bytes, cudaStream_t) {
  memset(memory, byte, bytes);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "not supported by the emulation";
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = new double(0), cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete static_cast<double*>(event), cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  return *static_cast<double*>(event) = now(), cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t last) {
  *milliseconds = static_cast<float>(*static_cast<double*>(last) - *static_cast<double*>(first));
  return cudaSuccess;
}
