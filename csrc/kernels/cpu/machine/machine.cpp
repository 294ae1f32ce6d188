// Multiply-adds in as many independent chains as hide their latency, and streams with nothing but their loads
// and stores: what other kernels are measured against.
#include "contract/machine.h"

#include "kernels/cpu/vec_lanes.h"

#if defined(MARKONE_ISA_baseline) && defined(__SSE2__)
#include <immintrin.h>
#endif

MO_ISA_BEGIN

// Two units with a latency of 4 need 8 chains, or 10 where it is 5; 12 and the two constants fit in 16
// registers.
constexpr int kChains = 12;

template <class T>
struct FmaChain {
  using V = Vec<T>;
  static constexpr int64_t kBlock = kChains * V::kLanes;
  // What one task takes; the same for every width of a register.
  static constexpr int64_t kTask = kChains * 16;
  const FmaChainArgs* a;

  static void task(void* context, int64_t task, int) {
    const FmaChainArgs& a = *static_cast<const FmaChain*>(context)->a;
    const T* x = static_cast<const T*>(a.x);
    T* y = static_cast<T*>(a.y);
    const V half(0.5), one(1.0);
    const int64_t end = (task + 1) * kTask < a.n ? (task + 1) * kTask : a.n;
    int64_t i = task * kTask;
    for (; i + kBlock <= end; i += kBlock) {
      V v[kChains];
      for (int k = 0; k < kChains; ++k) v[k] = V::load(x + i + k * V::kLanes);
      for (int64_t step = 0; step < a.steps; ++step) {
        for (int k = 0; k < kChains; ++k) v[k] = fma(v[k], half, one);
      }
      for (int k = 0; k < kChains; ++k) v[k].store(y + i + k * V::kLanes);
    }
    for (; i < end; i += V::kLanes) {
      const int64_t count = end - i < V::kLanes ? end - i : int64_t{V::kLanes};
      V v = count < V::kLanes ? V::load(x + i, count) : V::load(x + i);
      for (int64_t step = 0; step < a.steps; ++step) v = fma(v, half, one);
      count < V::kLanes ? v.store(y + i, count) : v.store(y + i);
    }
  }
  static void kernel(const FmaChainArgs* args, const Run* run) {
    FmaChain s{args};
    run->parallel(run, (args->n + kTask - 1) / kTask, task, &s);
  }
};

MO_INLINE void store_past_caches(float* p, VecF v) {
#if defined(MARKONE_ISA_avx512)
  _mm512_stream_ps(p, v.v);
#elif defined(MARKONE_ISA_avx2)
  _mm256_stream_ps(p, v.v);
#elif defined(__SSE2__)
  _mm_stream_ps(p, v.v);
#else
  v.store(p);
#endif
}
MO_INLINE void end_stores() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <int kReads, int kWrites, bool kPast>
MO_INLINE void stream_chunk(const StreamArgs& a, int64_t chunk) {
  constexpr int64_t kLanes = VecF::kLanes;
  constexpr int kUnroll = 4;
  const int64_t first = chunk * kStreamChunk;
  const int64_t n = a.n - first < kStreamChunk ? a.n - first : int64_t{kStreamChunk};
  const float* read[kStreamMost];
  float* write[kStreamMost];
  for (int r = 0; r < kReads; ++r) read[r] = a.read[r] + first;
  for (int w = 0; w < kWrites; ++w) write[w] = a.write[w] + first;
  VecF sum[kUnroll];
  for (VecF& s : sum) s = VecF(0.0);
  int64_t i = 0;
  // Reads alone go on at four places at once, because one core fetches several streams faster than one;
  // writes one after the other, because several would meet in the same sets of the cache.
  const int64_t part = n / (kUnroll * kLanes) * kLanes;
  const int64_t apart = kWrites == 0 ? part : kLanes, step = kWrites == 0 ? kLanes : kUnroll * kLanes;
  const int64_t end = kWrites == 0 ? part : kUnroll * part;
  for (; i < end; i += step) {
    for (int u = 0; u < kUnroll; ++u) {
      VecF value(0.0);
      for (int r = 0; r < kReads; ++r) {
        const VecF x = VecF::load(read[r] + i + u * apart);
        value = r == 0 ? x : value + x;
      }
      for (int w = 0; w < kWrites; ++w) {
        const VecF out = w == 0 ? value : value + VecF(w);
        kPast ? store_past_caches(write[w] + i + u * apart, out) : out.store(write[w] + i + u * apart);
      }
      if constexpr (kWrites == 0) sum[u] = sum[u] + value;
    }
  }
  i = kUnroll * part;
  float rest = 0;
  for (; i < n; ++i) {
    float value = 0;
    for (int r = 0; r < kReads; ++r) value += read[r][i];
    for (int w = 0; w < kWrites; ++w) write[w][i] = value + static_cast<float>(w);
    rest += value;
  }
  if constexpr (kPast) end_stores();
  if constexpr (kWrites == 0) {
    float lane[VecF::kLanes];
    ((sum[0] + sum[1]) + (sum[2] + sum[3])).store(lane);
    for (float x : lane) rest += x;
    a.sums[chunk] = rest;
  }
}

template <int kReads, int kWrites, bool kPast>
void stream_task(void* context, int64_t chunk, int) {
  stream_chunk<kReads, kWrites, kPast>(*static_cast<const StreamArgs*>(context), chunk);
}

template <bool kPast>
constexpr ChunkFn kStreamTasks[kStreamMost + 1][kStreamMost + 1] = {
#define MO_STREAM_ROW(r)                                                                                   \
  {stream_task<r, 0, kPast>, stream_task<r, 1, kPast>, stream_task<r, 2, kPast>, stream_task<r, 3, kPast>, \
   stream_task<r, 4, kPast>}
    MO_STREAM_ROW(0), MO_STREAM_ROW(1), MO_STREAM_ROW(2), MO_STREAM_ROW(3), MO_STREAM_ROW(4)};

void stream(const StreamArgs* args, const Run* run) {
  bool past = args->nontemporal != 0;
  for (int64_t w = 0; w < args->writes; ++w) past &= reinterpret_cast<uintptr_t>(args->write[w]) % 64 == 0;
  const ChunkFn task = (past ? kStreamTasks<true> : kStreamTasks<false>)[args->reads][args->writes];
  const int64_t chunks = (args->n + kStreamChunk - 1) / kStreamChunk;
  for (int64_t repeat = 0; repeat < args->repeats; ++repeat)
    run->parallel(run, chunks, task, const_cast<StreamArgs*>(args));
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_machine(MachineKernels* table) {
  table->fma_chain[kF32] = {FmaChain<float>::kernel, MO_KERNEL_NAME("fma_chain_f32_x12")};
  table->fma_chain[kF64] = {FmaChain<double>::kernel, MO_KERNEL_NAME("fma_chain_f64_x12")};
  table->stream = {stream, MO_KERNEL_NAME("stream_f32")};
}

}  // namespace markone::MARKONE_ISA
