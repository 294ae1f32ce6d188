// A few rows times many columns that lie by themselves, each read once.
#pragma once
#include "kernels/cpu/gemm/packed.h"

MO_ISA_BEGIN

// With so few rows B is read once, at the speed of memory.
inline constexpr int kFewRows = 4;

// A few rows times a B whose columns are contiguous: kLanes columns at a time are turned into rows in
// registers, so that B passes once, at the speed of memory. kGroups chains hide the latency of the adder.
template <class Way, int kRows, int kGroups>
void dot_columns(const GemmArgs& args, const Item<Way>& item, int64_t col0, int64_t cols) {
  using T = typename Way::Sum;
  using Source = typename Way::Source;
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes, kWidth = kGroups * kN;
  // So far ahead of each of the streams; 512 bytes are the time of a few blocks.
  constexpr int64_t kAhead = 512 / static_cast<int64_t>(sizeof(Source));
  constexpr int64_t kStep = kN * Way::kNumbers;
  for (int64_t j = col0; j < col0 + cols; j += kWidth) {
    const int64_t width = smaller(kWidth, col0 + cols - j);
    const Source* from[kWidth];
    // Columns past the edge repeat the last one and are never stored.
    for (int64_t c = 0; c < kWidth; ++c) from[c] = item.b + (c < width ? j + c : j + width - 1) * args.b_col;
    V acc[kRows][kGroups];
    for (int r = 0; r < kRows; ++r) {
      for (int g = 0; g < kGroups; ++g)
        acc[r][g] =
            args.accumulate ? V::load(item.c + r * args.c_row + j + g * kN, lanes_of<T>(width, g)) : V(0);
    }
    for (int64_t l = 0; l < args.k; l += kStep) {
      const int64_t n = smaller(kStep, args.k - l);
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        V rows[kN];
        if (n == kStep) {
#pragma GCC unroll 16
          for (int c = 0; c < kN; ++c) {
            const Source* p = from[g * kN + c] + l;
            rows[c] = Way::load(p);
            __builtin_prefetch(p + kAhead, 0, 2);
          }
        } else {
          for (int c = 0; c < kN; ++c) rows[c] = Way::load(from[g * kN + c] + l, n);
        }
        transpose(rows);
        const Source* a = item.a + l * args.a_col;
        const auto add = [&](int r, int c, int64_t numbers) __attribute__((always_inline)) {
          const Source* p = a + r * args.a_row + c * Way::kNumbers * args.a_col;
          acc[r][g] = Way::add_product(Way::splat(p, numbers), rows[c], acc[r][g]);
        };
        if (n == kStep) {
#pragma GCC unroll 16
          for (int c = 0; c < kN; ++c) {
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r) add(r, c, Way::kNumbers);
          }
        } else {
          for (int c = 0; c * Way::kNumbers < n; ++c) {
            for (int r = 0; r < kRows; ++r) add(r, c, n - c * Way::kNumbers);
          }
        }
      }
    }
    for (int g = 0; g < kGroups; ++g) {
      const int64_t lanes = lanes_of<T>(width, g);
      for (int r = 0; r < kRows; ++r) {
        if (args.bias) acc[r][g] = acc[r][g] + V::load(static_cast<const T*>(args.bias) + j + g * kN, lanes);
        store_first(acc[r][g], item.c + r * args.c_row + j + g * kN, lanes);
      }
    }
  }
}

// So many columns are one chunk of such a product.
inline constexpr int64_t kDotColumns = 128;

struct Few {
  const GemmArgs* args;
  int64_t col_parts;
};

template <class Way>
void few_chunk(void* context, int64_t chunk, int) {
  const Few& few = *static_cast<const Few*>(context);
  const GemmArgs& args = *few.args;
  const Item<Way> item(args, chunk / few.col_parts);
  const int64_t col0 = chunk % few.col_parts * kDotColumns;
  with_rows<kFewRows>(static_cast<int>(args.m), [&]<int kRows>() {
    dot_columns<Way, kRows, 1>(args, item, col0, smaller(kDotColumns, args.n - col0));
  });
}

// Of what is not multiplied as it is stored.
template <class Way>
void gemm_few_or_packed(const GemmArgs* args, const Run* run) {
  if (args->m > kFewRows || args->b_row != 1 || args->packed_b) return gemm_packed<Way>(args, run);
  Few few{args, parts(args->n, kDotColumns)};
  run->parallel(run, args->batch * few.col_parts, few_chunk<Way>, &few);
}

MO_ISA_END
