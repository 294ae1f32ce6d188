// What the device can do at best.
#include "contract/machine.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

MO_SCALAR float half_and_one(float x) { return ::fmaf(x, 0.5f, 1.0f); }
MO_SCALAR double half_and_one(double x) { return ::fma(x, 0.5, 1.0); }

template <class T>
void fma_chain(const FmaChainArgs* args, const Run* run) {
  const FmaChainArgs a = *args;
  each(run, a.n, [=] __device__(int64_t i) {
    T y = static_cast<const T*>(a.x)[i];
    for (int64_t step = 0; step < a.steps; ++step) y = half_and_one(y);
    static_cast<T*>(a.y)[i] = y;
  });
}

struct ChunkSum {
  StreamArgs a;
  template <class Team>
  __device__ void line(int64_t chunk) const {
    const int64_t first = chunk * kStreamChunk,
                  last = first + kStreamChunk < a.n ? first + kStreamChunk : a.n;
    double sum = 0;
    for (int64_t i = first + Team::rank(); i < last; i += Team::kSize) {
      for (int64_t r = 0; r < a.reads; ++r) sum += a.read[r][i];
    }
    sum = Team::sum(sum);
    if (Team::rank() == 0) a.sums[chunk] = static_cast<float>(sum);
  }
};
void stream(const StreamArgs* args, const Run* run) {
  const StreamArgs a = *args;
  for (int64_t repeat = 0; repeat < a.repeats; ++repeat) {
    if (a.writes == 0) {
      each_line(run, (a.n + kStreamChunk - 1) / kStreamChunk, kStreamChunk, 1, ChunkSum{a});
      continue;
    }
    each(run, a.n, [=] __device__(int64_t i) {
      float value = 0;
      for (int64_t r = 0; r < a.reads; ++r) value += a.read[r][i];
      for (int64_t w = 0; w < a.writes; ++w) a.write[w][i] = value + static_cast<float>(w);
    });
  }
}

}  // namespace

void fill_machine(MachineKernels* table) {
  MO_CUDA_FLOATS(fma_chain, fma_chain, "fma_chain")
  table->stream = {stream, "stream_f32_cuda"};
}

}  // namespace markone::cuda
