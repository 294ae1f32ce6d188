// Philox random numbers and dropout: the bits of the other tables. A kernel reads where the stream is; a
// launch behind it moves the stream on.
#include "contract/random.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

// After what says how functions are marked for the device.
#include "kernels/common/philox.h"

namespace markone::cuda {
namespace {

struct Words {
  const int64_t* state;
  __device__ void block(int64_t b, uint32_t (&words)[4]) const {
    philox_stream_block(static_cast<uint64_t>(state[0]), static_cast<uint64_t>(state[1] + b), words);
  }
  __device__ uint32_t word(int64_t i) const {
    uint32_t words[4];
    block(i / 4, words);
    return words[i % 4];
  }
  __device__ uint64_t pair(int64_t i) const {
    uint32_t words[4];
    block(i / 2, words);
    return two_words(words + i % 2 * 2);
  }
};

// f(i, words) for i in [0, n); each block of words serves `share` elements.
template <class F>
void draw(const Run* run, int64_t* state, int64_t n, int64_t share, F f) {
  const Words words{state};
  each(run, n, [=] __device__(int64_t i) { f(i, words); });
  const int64_t blocks = (n + share - 1) / share;
  each(run, 1, [=] __device__(int64_t) { state[1] += blocks; });
}

void bits(const RandomBitsArgs* args, const Run* run) {
  const RandomBitsArgs a = *args;
  draw(run, a.state, a.n, 4, [=] __device__(int64_t i, const Words& words) { a.out[i] = words.word(i); });
}

template <class T>
void uniform(const UniformArgs* args, const Run* run) {
  constexpr bool kDouble = sizeof(T) == 8;
  const UniformArgs a = *args;
  draw(run, a.state, a.n, kDouble ? 2 : 4, [=] __device__(int64_t i, const Words& words) {
    const T u =
        kDouble ? static_cast<T>(unit_double(words.pair(i))) : static_cast<T>(unit_float(words.word(i)));
    const T x = u * static_cast<T>(a.scale) + static_cast<T>(a.low), highest = static_cast<T>(a.highest);
    static_cast<T*>(a.out)[i] = x < highest ? x : highest;
  });
}

template <class T>
void normal(const NormalArgs* args, const Run* run) {
  constexpr bool kDouble = sizeof(T) == 8;
  const NormalArgs a = *args;
  draw(run, a.state, a.n, kDouble ? 2 : 4, [=] __device__(int64_t i, const Words& words) {
    uint32_t four[4];
    double first, second;
    words.block(kDouble ? i / 2 : i / 4, four);
    if (kDouble) {
      normal_pair64(four, &first, &second);
    } else {
      normal_pair32(four + i % 4 / 2 * 2, &first, &second);
    }
    static_cast<T*>(a.out)[i] = static_cast<T>(a.mean + a.std * (i % 2 ? second : first));
  });
}

void randint(const RandintArgs* args, const Run* run) {
  const RandintArgs a = *args;
  draw(run, a.state, a.n, 2, [=] __device__(int64_t i, const Words& words) {
    a.out[i] = static_cast<int64_t>(static_cast<uint64_t>(a.low) + below(words.pair(i), a.range));
  });
}

// The exchanges follow from each other: one thread.
void randperm(const RandpermArgs* args, const Run* run) {
  const RandpermArgs a = *args;
  each(run, a.n, [=] __device__(int64_t i) { a.out[i] = i; });
  each(run, 1, [=] __device__(int64_t) {
    const Words words{a.state};
    for (int64_t i = 0; i + 1 < a.n; ++i) {
      const int64_t last = a.n - 1 - i;
      const auto other = static_cast<int64_t>(below(words.pair(i), static_cast<uint64_t>(last) + 1));
      const int64_t kept = a.out[last];
      a.out[last] = a.out[other];
      a.out[other] = kept;
    }
    a.state[1] += (a.n + 1) / 2;
  });
}

void bernoulli(const BernoulliArgs* args, const Run* run) {
  const BernoulliArgs a = *args;
  const Reporter report = reporter(run);
  draw(run, a.state, a.n, 4, [=] __device__(int64_t i, const Words& words) {
    const float p = a.p[i];
    a.out[i] = unit_float(words.word(i)) < p && p <= 1;
    if (!(p >= 0 && p <= 1))
      report(i, p > -1e12f && p < 1e12f ? static_cast<int64_t>(p * 1e6) : -1, 0, 1000001);
  });
}

template <class T>
void dropout(const DropoutArgs* args, const Run* run) {
  const DropoutArgs a = *args;
  draw(run, a.state, a.n, 4, [=] __device__(int64_t i, const Words& words) {
    const bool kept = (words.word(i) >> 8) >= a.threshold;
    a.mask[i] = kept;
    static_cast<T*>(a.y)[i] = kept ? static_cast<const T*>(a.x)[i] * static_cast<T>(a.scale) : T(0);
  });
}
template <class T>
void dropout_grad(const DropoutGradArgs* args, const Run* run) {
  const DropoutGradArgs a = *args;
  each(run, a.n, [=] __device__(int64_t i) {
    static_cast<T*>(a.dx)[i] = a.mask[i] ? static_cast<const T*>(a.g)[i] * static_cast<T>(a.scale) : T(0);
  });
}

}  // namespace

void fill_random(RandomKernels* table) {
  table->random_bits = {bits, "random_bits_cuda"};
  MO_CUDA_FLOATS(uniform, uniform, "uniform")
  MO_CUDA_FLOATS(normal, normal, "normal")
  table->randint = {randint, "randint_cuda"};
  table->randperm = {randperm, "randperm_cuda"};
  table->bernoulli = {bernoulli, "bernoulli_cuda"};
  MO_CUDA_FLOATS(dropout, dropout, "dropout")
  MO_CUDA_FLOATS(dropout_grad, dropout_grad, "dropout_grad")
}

}  // namespace markone::cuda
