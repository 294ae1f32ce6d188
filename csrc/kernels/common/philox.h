// Philox4x32-10 (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011; checked against the
// known answers of Random123), and the plain formulas that make numbers of its words. A block is 4 words of
// 32 bits, a pure function of a 64-bit key (the seed) and a 128-bit counter, of which streams use the low
// half. Everything is in a namespace of the instruction set and internal to the file that includes it. Only +
// - * /, sqrt and bit operations, each rounded once, so every instruction set gives the same bits.
#pragma once
#include <stdint.h>

#ifndef MO_ISA_BEGIN
#define MO_ISA_BEGIN               \
  namespace markone::MARKONE_ISA { \
  namespace {
#define MO_ISA_END \
  }                \
  }
#endif
#ifndef MO_INLINE
#define MO_INLINE inline __attribute__((always_inline))
#endif

MO_ISA_BEGIN

// One block. counter[0] is the lowest word.
[[maybe_unused]] MO_INLINE void philox_block(const uint32_t* counter, const uint32_t* key, uint32_t* words) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c0, b = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(b);
    c2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(a);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// The block at `counter` of the stream of `seed`.
[[maybe_unused]] MO_INLINE void philox_stream_block(uint64_t seed, uint64_t counter, uint32_t* words) {
  const uint32_t c[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  const uint32_t k[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  philox_block(c, k, words);
}

// A batch: kPhiloxLanes blocks from `counter` on, words[4 * block + word]. The loops are over lanes, so the
// compiler makes vectors of whatever width the instruction set has.
constexpr int kPhiloxLanes = 16;
constexpr int kPhiloxWords = 4 * kPhiloxLanes;
[[maybe_unused]] MO_INLINE void philox_batch(uint64_t seed, uint64_t counter, uint32_t* words) {
  uint32_t c0[kPhiloxLanes], c1[kPhiloxLanes], c2[kPhiloxLanes], c3[kPhiloxLanes];
  for (int l = 0; l < kPhiloxLanes; ++l) {
    c0[l] = static_cast<uint32_t>(counter + static_cast<uint64_t>(l));
    c1[l] = static_cast<uint32_t>((counter + static_cast<uint64_t>(l)) >> 32);
    c2[l] = c3[l] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int l = 0; l < kPhiloxLanes; ++l) {
      const uint64_t a = uint64_t{0xD2511F53} * c0[l], b = uint64_t{0xCD9E8D57} * c2[l];
      c0[l] = static_cast<uint32_t>(b >> 32) ^ c1[l] ^ k0;
      c1[l] = static_cast<uint32_t>(b);
      c2[l] = static_cast<uint32_t>(a >> 32) ^ c3[l] ^ k1;
      c3[l] = static_cast<uint32_t>(a);
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  for (int l = 0; l < kPhiloxLanes; ++l) {
    words[4 * l] = c0[l];
    words[4 * l + 1] = c1[l];
    words[4 * l + 2] = c2[l];
    words[4 * l + 3] = c3[l];
  }
}

MO_INLINE uint64_t two_words(const uint32_t* words) {
  return static_cast<uint64_t>(words[1]) << 32 | words[0];
}

// [0, 1): 24 bits of one word, 53 bits of two.
MO_INLINE float unit_float(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
MO_INLINE double unit_double(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

// [0, range) by multiplying: a value's probability is off by at most range / 2^64 of itself.
MO_INLINE uint64_t below(uint64_t word, uint64_t range) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(word) * range >> 64);
}

MO_INLINE uint64_t bits_of(double x) { return __builtin_bit_cast(uint64_t, x); }
MO_INLINE double from_bits(uint64_t x) { return __builtin_bit_cast(double, x); }

// An integer below 2^52 without a conversion instruction, which AVX2 lacks for 64 bits.
MO_INLINE double small_to_double(uint64_t x) { return from_bits(x | 0x4330000000000000) - 0x1p52; }

// ln x for a normal x > 0: x = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh((m - 1) / (m + 1)).
MO_INLINE double log_formula(double x) {
  const uint64_t shifted = bits_of(x) - 0x3FE6A09E667F3BCD;  // the bits of sqrt(1/2)
  // The exponent is biased up so that it is never negative.
  const double e = small_to_double((shifted + (uint64_t{1024} << 52)) >> 52) - 1024.0;
  const double m = from_bits((shifted & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD);
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  double sum = 1.0 / 23;
  sum = sum * z + 1.0 / 21;
  sum = sum * z + 1.0 / 19;
  sum = sum * z + 1.0 / 17;
  sum = sum * z + 1.0 / 15;
  sum = sum * z + 1.0 / 13;
  sum = sum * z + 1.0 / 11;
  sum = sum * z + 1.0 / 9;
  sum = sum * z + 1.0 / 7;
  sum = sum * z + 1.0 / 5;
  sum = sum * z + 1.0 / 3;
  return e * 0.6931471805599453 + (2.0 * s + 2.0 * s * (z * sum));
}

// cos and sin of 2 pi (quarter / 4 + f), f in [-1/8, 1/8], by their Taylor series up to the 17th power.
MO_INLINE void cos_sin_formula(uint64_t quarter, double f, double* cosine, double* sine) {
  const double x = 6.283185307179586 * f, z = x * x;
  double s = 1.0 / 355687428096000;
  s = s * z - 1.0 / 1307674368000;
  s = s * z + 1.0 / 6227020800;
  s = s * z - 1.0 / 39916800;
  s = s * z + 1.0 / 362880;
  s = s * z - 1.0 / 5040;
  s = s * z + 1.0 / 120;
  s = s * z - 1.0 / 6;
  s = x + x * (z * s);
  double c = 1.0 / 20922789888000;
  c = c * z - 1.0 / 87178291200;
  c = c * z + 1.0 / 479001600;
  c = c * z - 1.0 / 3628800;
  c = c * z + 1.0 / 40320;
  c = c * z - 1.0 / 720;
  c = c * z + 1.0 / 24;
  c = c * z - 0.5;
  c = 1.0 + z * c;
  // Quarter turns: (c, s), (-s, c), (-c, -s), (s, -c).
  const uint64_t swap = 0 - (quarter & 1);
  const uint64_t cos_sign = ((quarter + 1) & 2) << 62, sin_sign = (quarter & 2) << 62;
  const uint64_t cb = bits_of(c), sb = bits_of(s);
  *cosine = from_bits(((cb & ~swap) | (sb & swap)) ^ cos_sign);
  *sine = from_bits(((sb & ~swap) | (cb & swap)) ^ sin_sign);
}

// Box-Muller: two independent standard normal numbers of two 52-bit uniforms.
MO_INLINE void normal_pair(uint64_t radius, uint64_t angle, double* first, double* second) {
  const double u = (small_to_double(radius) + 0.5) * 0x1p-52;  // in (0, 1)
  const double r = __builtin_sqrt(-2.0 * log_formula(u));
  const uint64_t turned = angle + (uint64_t{1} << 49);  // so that f is centred on the quarter's start
  const uint64_t quarter = turned >> 50;                // 4 is 0 again
  const double f = (small_to_double(turned & ((uint64_t{1} << 50) - 1)) - 0x1p49) * 0x1p-52;
  double c, s;
  cos_sin_formula(quarter, f, &c, &s);
  *first = r * c;
  *second = r * s;
}
// Two of four words (32 bits for each uniform), and of two double words (52 bits).
MO_INLINE void normal_pair32(const uint32_t* words, double* first, double* second) {
  // The half step is at 2^-33 here, so ln never meets zero.
  normal_pair(static_cast<uint64_t>(words[0]) << 20 | 0x80000, static_cast<uint64_t>(words[1]) << 20, first,
              second);
}
MO_INLINE void normal_pair64(const uint32_t* words, double* first, double* second) {
  normal_pair(two_words(words) >> 12, two_words(words + 2) >> 12, first, second);
}

MO_ISA_END
