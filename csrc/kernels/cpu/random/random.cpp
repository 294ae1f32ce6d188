// Philox random numbers and dropout. Blocks are made in batches by loops over lanes; only integer operations
// and plain multiplications and additions follow, so every instruction set gives the same bits.
#include "contract/random.h"

#include "kernels/common/philox.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kChunkBatches = 256;  // 16384 words a chunk, whatever the number of threads

struct Source {
  uint64_t seed, base;
};

MO_INLINE Source claim(int64_t* state, int64_t blocks) {
  return {static_cast<uint64_t>(__atomic_load_n(&state[0], __ATOMIC_RELAXED)),
          static_cast<uint64_t>(__atomic_fetch_add(&state[1], blocks, __ATOMIC_RELAXED))};
}

MO_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// body(words, first, count) for every batch: elements [first, first + count) of which kPerBatch fit in one.
template <class Args, int kPerBatch, class Body>
struct Batches {
  const Args* args;
  const Run* run;
  Source stream;

  static void chunk(void* context, int64_t index, int) {
    const auto* self = static_cast<const Batches*>(context);
    const int64_t n = self->args->n, end = smaller(n, (index + 1) * kChunkBatches * kPerBatch);
    for (int64_t first = index * kChunkBatches * kPerBatch; first < end; first += kPerBatch) {
      uint32_t words[kPhiloxWords];
      const auto batch = static_cast<uint64_t>(first / kPerBatch);
      philox_batch(self->stream.seed, self->stream.base + batch * kPhiloxLanes, words);
      Body::run(self->args, self->run, words, first, smaller(kPerBatch, end - first));
    }
  }
};

template <int kPerBatch, class Body, class Args>
MO_INLINE void run_batches(const Args* args, const Run* run) {
  constexpr int64_t kPerBlock = kPerBatch / kPhiloxLanes;
  const int64_t blocks = args->n / kPerBlock + (args->n % kPerBlock != 0);
  Batches<Args, kPerBatch, Body> batches{args, run, claim(args->state, blocks)};
  constexpr int64_t kPerChunk = kChunkBatches * kPerBatch;
  run->parallel(run, args->n / kPerChunk + (args->n % kPerChunk != 0), &decltype(batches)::chunk, &batches);
}

struct BitsBody {
  static MO_INLINE void run(const RandomBitsArgs* args, const Run*, const uint32_t* words, int64_t first,
                            int64_t count) {
    for (int64_t i = 0; i < count; ++i) args->out[first + i] = words[i];
  }
};
void bits(const RandomBitsArgs* args, const Run* run) { run_batches<kPhiloxWords, BitsBody>(args, run); }

template <class T>
struct UniformBody {
  static MO_INLINE T unit(const uint32_t* words, int64_t i) {
    if constexpr (sizeof(T) == 8) {
      // The two halves separately: both are exact, and so is their sum.
      const uint64_t word = two_words(words + 2 * i) >> 11;
      return (small_to_double(word >> 32) * 0x1p32 + small_to_double(word & 0xFFFFFFFF)) * 0x1p-53;
    } else {
      return static_cast<float>(static_cast<int32_t>(words[i] >> 8)) * 0x1p-24f;
    }
  }
  static MO_INLINE void run(const UniformArgs* args, const Run*, const uint32_t* words, int64_t first,
                            int64_t count) {
    const T scale = static_cast<T>(args->scale), low = static_cast<T>(args->low);
    const T highest = static_cast<T>(args->highest);
    T* out = static_cast<T*>(args->out) + first;
    for (int64_t i = 0; i < count; ++i) {
      const T x = unit(words, i) * scale + low;
      out[i] = x < highest ? x : highest;
    }
  }
};
void uniform_f32(const UniformArgs* args, const Run* run) {
  run_batches<kPhiloxWords, UniformBody<float>>(args, run);
}
void uniform_f64(const UniformArgs* args, const Run* run) {
  run_batches<kPhiloxWords / 2, UniformBody<double>>(args, run);
}

template <class T>
struct NormalBody {
  static MO_INLINE void run(const NormalArgs* args, const Run*, const uint32_t* words, int64_t first,
                            int64_t count) {
    constexpr int kPairs = sizeof(T) == 8 ? kPhiloxWords / 4 : kPhiloxWords / 2;
    double z0[kPairs], z1[kPairs];
    for (int k = 0; k < kPairs; ++k) {
      if constexpr (sizeof(T) == 8) {
        normal_pair64(words + 4 * k, &z0[k], &z1[k]);
      } else {
        normal_pair32(words + 2 * k, &z0[k], &z1[k]);
      }
    }
    T* out = static_cast<T*>(args->out) + first;
    for (int64_t i = 0; i < count; ++i) {
      out[i] = static_cast<T>(args->mean + args->std * (i % 2 ? z1[i / 2] : z0[i / 2]));
    }
  }
};
void normal_f32(const NormalArgs* args, const Run* run) {
  run_batches<kPhiloxWords, NormalBody<float>>(args, run);
}
void normal_f64(const NormalArgs* args, const Run* run) {
  run_batches<kPhiloxWords / 2, NormalBody<double>>(args, run);
}

struct RandintBody {
  static MO_INLINE void run(const RandintArgs* args, const Run*, const uint32_t* words, int64_t first,
                            int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t step = below(two_words(words + 2 * i), args->range);
      args->out[first + i] = static_cast<int64_t>(static_cast<uint64_t>(args->low) + step);
    }
  }
};
void randint(const RandintArgs* args, const Run* run) {
  run_batches<kPhiloxWords / 2, RandintBody>(args, run);
}

void randperm(const RandpermArgs* args, const Run*) {
  const int64_t n = args->n;
  const Source stream = claim(args->state, n / 2 + n % 2);
  for (int64_t i = 0; i < n; ++i) args->out[i] = i;
  uint32_t words[kPhiloxWords];
  constexpr int64_t kPerBatch = kPhiloxWords / 2;
  for (int64_t i = 0; i + 1 < n; ++i) {
    if (i % kPerBatch == 0) {
      philox_batch(stream.seed, stream.base + static_cast<uint64_t>(i / 2), words);
    }
    const int64_t last = n - 1 - i;
    const uint64_t word = two_words(words + 2 * (i % kPerBatch));
    const auto other = static_cast<int64_t>(below(word, static_cast<uint64_t>(last) + 1));
    const int64_t kept = args->out[last];
    args->out[last] = args->out[other];
    args->out[other] = kept;
  }
}

struct BernoulliBody {
  static MO_INLINE void run(const BernoulliArgs* args, const Run* run, const uint32_t* words, int64_t first,
                            int64_t count) {
    int bad = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float p = args->p[first + i];
      const bool valid = p >= 0 && p <= 1;
      bad |= !valid;
      args->out[first + i] = valid & (static_cast<float>(static_cast<int32_t>(words[i] >> 8)) * 0x1p-24f < p);
    }
    for (int64_t i = 0; bad && i < count; ++i) {
      const float p = args->p[first + i];
      if (p >= 0 && p <= 1) continue;
      const int64_t millionths = p > -1e12f && p < 1e12f ? static_cast<int64_t>(p * 1e6) : -1;
      run->report(run, first + i, millionths, 0, 1000001);
    }
  }
};
void bernoulli(const BernoulliArgs* args, const Run* run) {
  run_batches<kPhiloxWords, BernoulliBody>(args, run);
}

template <class T>
struct DropoutBody {
  static MO_INLINE void run(const DropoutArgs* args, const Run*, const uint32_t* words, int64_t first,
                            int64_t count) {
    const T scale = static_cast<T>(args->scale);
    const T* x = static_cast<const T*>(args->x) + first;
    T* y = static_cast<T*>(args->y) + first;
    uint8_t* mask = args->mask + first;
    const auto threshold = static_cast<int32_t>(args->threshold);
    for (int64_t i = 0; i < count; ++i) {
      y[i] = static_cast<int32_t>(words[i] >> 8) >= threshold ? x[i] * scale : T(0);
    }
    // A loop of its own: a byte pointer may alias anything, which would keep the first loop from vectors.
    for (int64_t i = 0; i < count; ++i) mask[i] = static_cast<int32_t>(words[i] >> 8) >= threshold;
  }
};
void dropout_f32(const DropoutArgs* args, const Run* run) {
  run_batches<kPhiloxWords, DropoutBody<float>>(args, run);
}
void dropout_f64(const DropoutArgs* args, const Run* run) {
  run_batches<kPhiloxWords, DropoutBody<double>>(args, run);
}

constexpr int64_t kGradChunk = 16384;

template <class T>
void dropout_grad_chunk(void* context, int64_t chunk, int) {
  const auto* args = static_cast<const DropoutGradArgs*>(context);
  const int64_t end = smaller(args->n, (chunk + 1) * kGradChunk);
  const T scale = static_cast<T>(args->scale);
  const T* g = static_cast<const T*>(args->g);
  T* __restrict dx = static_cast<T*>(args->dx);
  for (int64_t i = chunk * kGradChunk; i < end; ++i) dx[i] = args->mask[i] ? g[i] * scale : T(0);
}
template <class T>
void dropout_grad(const DropoutGradArgs* args, const Run* run) {
  DropoutGradArgs copy = *args;
  run->parallel(run, args->n / kGradChunk + (args->n % kGradChunk != 0), dropout_grad_chunk<T>, &copy);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_random(RandomKernels* table) {
  table->random_bits = {bits, MO_KERNEL_NAME("random_bits")};
  table->uniform[kF32] = {uniform_f32, MO_KERNEL_NAME("uniform_f32")};
  table->uniform[kF64] = {uniform_f64, MO_KERNEL_NAME("uniform_f64")};
  table->normal[kF32] = {normal_f32, MO_KERNEL_NAME("normal_f32")};
  table->normal[kF64] = {normal_f64, MO_KERNEL_NAME("normal_f64")};
  table->randint = {randint, MO_KERNEL_NAME("randint")};
  table->randperm = {randperm, MO_KERNEL_NAME("randperm")};
  table->bernoulli = {bernoulli, MO_KERNEL_NAME("bernoulli")};
  table->dropout[kF32] = {dropout_f32, MO_KERNEL_NAME("dropout_f32")};
  table->dropout[kF64] = {dropout_f64, MO_KERNEL_NAME("dropout_f64")};
  table->dropout_grad[kF32] = {dropout_grad<float>, MO_KERNEL_NAME("dropout_grad_f32")};
  table->dropout_grad[kF64] = {dropout_grad<double>, MO_KERNEL_NAME("dropout_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
