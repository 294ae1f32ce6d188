// Philox random numbers and dropout, in plain C++, one element at a time; normals through the C library.
#include "contract/random.h"

#include <math.h>

#include "kernels/common/philox.h"

namespace markone::ref {
namespace {

uint64_t claim(int64_t* state, int64_t blocks) {
  return static_cast<uint64_t>(__atomic_fetch_add(&state[1], blocks, __ATOMIC_RELAXED));
}

struct Words {
  uint64_t seed, base;
  Words(int64_t* state, int64_t blocks)
      : seed(static_cast<uint64_t>(__atomic_load_n(&state[0], __ATOMIC_RELAXED))),
        base(claim(state, blocks)) {}
  uint32_t word(int64_t i) const {
    uint32_t words[4];
    philox_stream_block(seed, base + static_cast<uint64_t>(i / 4), words);
    return words[i % 4];
  }
  uint64_t pair(int64_t i) const { return static_cast<uint64_t>(word(2 * i + 1)) << 32 | word(2 * i); }
};

void bits(const RandomBitsArgs* args, const Run*) {
  const Words words(args->state, (args->n + 3) / 4);
  for (int64_t i = 0; i < args->n; ++i) args->out[i] = words.word(i);
}

template <class T>
void uniform(const UniformArgs* args, const Run*) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Words words(args->state, kDouble ? (args->n + 1) / 2 : (args->n + 3) / 4);
  for (int64_t i = 0; i < args->n; ++i) {
    const T u =
        kDouble ? static_cast<T>(unit_double(words.pair(i))) : static_cast<T>(unit_float(words.word(i)));
    const T x = u * static_cast<T>(args->scale) + static_cast<T>(args->low);
    const T highest = static_cast<T>(args->highest);
    static_cast<T*>(args->out)[i] = x < highest ? x : highest;
  }
}

template <class T>
void normal(const NormalArgs* args, const Run*) {
  constexpr bool kDouble = sizeof(T) == 8;
  const Words words(args->state, kDouble ? (args->n + 1) / 2 : (args->n + 3) / 4);
  for (int64_t i = 0; i < args->n; ++i) {
    const int64_t even = i / 2 * 2;
    double u, turn;
    if (kDouble) {
      u = (static_cast<double>(words.pair(even) >> 12) + 0.5) * 0x1p-52;
      turn = static_cast<double>(words.pair(even + 1) >> 12) * 0x1p-52;
    } else {
      u = (static_cast<double>(static_cast<uint64_t>(words.word(even)) << 20 | 0x80000) + 0.5) * 0x1p-52;
      turn = words.word(even + 1) * 0x1p-32;
    }
    // The nearest quarter turn is taken off first, which is exact, so that the angle is rounded relative to
    // itself.
    const double quarter = floor(4 * turn + 0.5), angle = 6.283185307179586 * (turn - quarter / 4);
    const double c = cos(angle), s = sin(angle);
    const double cosines[4] = {c, -s, -c, s}, sines[4] = {s, c, -s, -c};
    const int q = static_cast<int>(quarter) % 4;
    const double z = sqrt(-2.0 * log(u)) * (i == even ? cosines[q] : sines[q]);
    static_cast<T*>(args->out)[i] = static_cast<T>(args->mean + args->std * z);
  }
}

void randint(const RandintArgs* args, const Run*) {
  const Words words(args->state, (args->n + 1) / 2);
  for (int64_t i = 0; i < args->n; ++i) {
    args->out[i] = static_cast<int64_t>(static_cast<uint64_t>(args->low) + below(words.pair(i), args->range));
  }
}

void randperm(const RandpermArgs* args, const Run*) {
  const Words words(args->state, (args->n + 1) / 2);
  for (int64_t i = 0; i < args->n; ++i) args->out[i] = i;
  for (int64_t i = 0; i + 1 < args->n; ++i) {
    const int64_t last = args->n - 1 - i;
    const auto other = static_cast<int64_t>(below(words.pair(i), static_cast<uint64_t>(last) + 1));
    const int64_t kept = args->out[last];
    args->out[last] = args->out[other];
    args->out[other] = kept;
  }
}

void bernoulli(const BernoulliArgs* args, const Run* run) {
  const Words words(args->state, (args->n + 3) / 4);
  for (int64_t i = 0; i < args->n; ++i) {
    const float p = args->p[i];
    args->out[i] = unit_float(words.word(i)) < p && p <= 1;
    if (!(p >= 0 && p <= 1)) {
      const int64_t millionths = p > -1e12f && p < 1e12f ? static_cast<int64_t>(p * 1e6) : -1;
      run->report(run, i, millionths, 0, 1000001);
    }
  }
}

template <class T>
void dropout(const DropoutArgs* args, const Run*) {
  const Words words(args->state, (args->n + 3) / 4);
  for (int64_t i = 0; i < args->n; ++i) {
    args->mask[i] = (words.word(i) >> 8) >= args->threshold;
    const T x = static_cast<const T*>(args->x)[i];
    static_cast<T*>(args->y)[i] = args->mask[i] ? x * static_cast<T>(args->scale) : T(0);
  }
}

template <class T>
void dropout_grad(const DropoutGradArgs* args, const Run*) {
  for (int64_t i = 0; i < args->n; ++i) {
    const T g = static_cast<const T*>(args->g)[i];
    static_cast<T*>(args->dx)[i] = args->mask[i] ? g * static_cast<T>(args->scale) : T(0);
  }
}

}  // namespace

void fill_random(RandomKernels* table) {
  table->random_bits = {bits, "random_bits_ref"};
  table->uniform[kF32] = {uniform<float>, "uniform_f32_ref"};
  table->uniform[kF64] = {uniform<double>, "uniform_f64_ref"};
  table->normal[kF32] = {normal<float>, "normal_f32_ref"};
  table->normal[kF64] = {normal<double>, "normal_f64_ref"};
  table->randint = {randint, "randint_ref"};
  table->randperm = {randperm, "randperm_ref"};
  table->bernoulli = {bernoulli, "bernoulli_ref"};
  table->dropout[kF32] = {dropout<float>, "dropout_f32_ref"};
  table->dropout[kF64] = {dropout<double>, "dropout_f64_ref"};
  table->dropout_grad[kF32] = {dropout_grad<float>, "dropout_grad_f32_ref"};
  table->dropout_grad[kF64] = {dropout_grad<double>, "dropout_grad_f64_ref"};
}

}  // namespace markone::ref
