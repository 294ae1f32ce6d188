// Products of bfloat16 with AVX-512 BF16: an instruction multiplies two numbers of K at a time and adds both
// products to a float32, where the same loops multiply one. Denormals count as zero.
#include "contract/table.h"
#include "kernels/cpu/gemm/dot.h"

MO_ISA_BEGIN

// Two neighbours of K in a lane, the first in its low half; a last one alone has a zero beside it.
template <int kRows>
struct PairsA : PackedA<float, kRows> {};
MO_INLINE VecF add_pairs(VecF a, VecF b, VecF sum) {
  return _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v));
}
template <int kRows>
MO_INLINE VecF add_product(const PairsA<kRows>&, VecF a, VecF b, VecF sum) {
  return add_pairs(a, b, sum);
}

MO_INLINE __mmask32 first_numbers(int64_t n) { return n >= 32 ? ~0u : n > 0 ? (1u << n) - 1 : 0; }

// The first 16 numbers of each of two rows as pairs.
MO_INLINE VecF pairs_of(__m256i low, __m256i high) {
  const __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16);
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_cvtepu16_epi32(low), wide));
}
MO_INLINE __m256i load_half(const uint16_t* p, int64_t n) {
  return _mm256_maskz_loadu_epi16(static_cast<__mmask16>(first_numbers(n)), p);
}

struct Pairs {
  using Source = uint16_t;
  using Sum = float;
  static constexpr int64_t kNumbers = 2;
  template <int kRows>
  using A = PairsA<kRows>;

  static MO_INLINE VecF load(const uint16_t* p) { return _mm512_castsi512_ps(_mm512_loadu_si512(p)); }
  static MO_INLINE VecF load(const uint16_t* p, int64_t numbers) {
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(first_numbers(numbers), p));
  }
  // One pair, or one number, to all lanes.
  static MO_INLINE VecF splat(const uint16_t* p, int64_t numbers) {
    uint32_t pair = p[0];
    if (numbers > 1) __builtin_memcpy(&pair, p, 4);
    return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(pair)));
  }
  static MO_INLINE VecF add_product(VecF a, VecF b, VecF sum) { return add_pairs(a, b, sum); }

  // As pack() of pack.h, with a pair for a number.
  static void pack(float* to, const uint16_t* from, int64_t stride_i, int64_t stride_l, int64_t count,
                   int64_t numbers, int64_t width) {
    constexpr int64_t kN = VecF::kLanes;
    const int64_t depth = parts(numbers, 2);
    if (stride_i == 1) {
      // The next line covers what a store writes too much.
      for (int64_t l = 0; l < depth; ++l) {
        const uint16_t* low = from + 2 * l * stride_l;
        const bool two = 2 * l + 1 < numbers;
        for (int64_t i = 0; i < width; i += kN)
          pairs_of(load_half(low + i, count - i),
                   two ? load_half(low + stride_l + i, count - i) : _mm256_setzero_si256())
              .store(to + l * width + i);
      }
    } else if (stride_l == 1 && (width <= kN || width % kN == 0)) {
      for (int64_t i = 0; i < width; i += kN) {
        for (int64_t l = 0; l < depth; l += kN) {
          const int64_t left = numbers - 2 * l;
          VecF rows[kN];
#pragma GCC unroll 16
          for (int r = 0; r < kN; ++r) {
            const uint16_t* p = from + (i + r) * stride_i + 2 * l;
            rows[r] = i + r >= count ? VecF(0) : left >= 2 * kN ? load(p) : load(p, left);
          }
          transpose(rows);
#pragma GCC unroll 16
          for (int r = 0; r < kN; ++r) {
            if (l + r < depth) rows[r].store(to + (l + r) * width + i);
          }
        }
      }
    } else {
      for (int64_t l = 0; l < depth; ++l) {
        for (int64_t i = 0; i < width; ++i) {
          const uint16_t* p = from + i * stride_i + 2 * l * stride_l;
          uint32_t pair = i < count ? p[0] : 0;
          if (i < count && 2 * l + 1 < numbers) pair |= static_cast<uint32_t>(p[stride_l]) << 16;
          __builtin_memcpy(to + l * width + i, &pair, 4);
        }
      }
    }
  }
  static void pack_beside(float* to, const uint16_t* from, int64_t row, int64_t numbers, int64_t panels) {
    const int64_t depth = parts(numbers, 2);
    for (int64_t l = 0; l < depth; ++l, from += 2 * row) {
      const bool two = 2 * l + 1 < numbers;
      for (int64_t i = 0; i < panels * kTileVecs; ++i) {
        const auto half = [&](const uint16_t* p) {
          return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i * kLanes<float>));
        };
        pairs_of(half(from), two ? half(from + row) : _mm256_setzero_si256())
            .store(to + (i / kTileVecs * depth + l) * kTileCols<float> + i % kTileVecs * kLanes<float>);
      }
    }
  }
};

void gemm_bf16(const GemmArgs* args, const Run* run) {
  if (args->a_col == 1)
    gemm_few_or_packed<Pairs>(args, run);
  else
    gemm_packed<Pairs>(args, run);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_bf16(KernelTable* table) {
  table->gemm_packed[kBF16] = {gemm_bf16, MO_KERNEL_NAME("gemm_bf16_pairs")};
  table->gemm_pack[kBF16] = {gemm_pack<Pairs>, MO_KERNEL_NAME("gemm_pack_bf16_pairs")};
}

}  // namespace markone::MARKONE_ISA
