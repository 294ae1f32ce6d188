// What every elementwise kernel is made of: its block, the conversions between what is stored and what is
// computed in, and the driver's call.
#pragma once
#include "kernels/common/scalar.h"
#include "kernels/cpu/elementwise/driver.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

template <class From, class To>
void convert_block(void* out, const void* in, const void*, const void*, int64_t n, int64_t) {
  auto* to = static_cast<To*>(out);
  auto* from = static_cast<const From*>(in);
  for (int64_t i = 0; i < n; ++i) to[i] = cast_one<To>(from[i]);
}

#if defined(__F16C__)
template <>
void convert_block<F16, float>(void* out, const void* in, const void*, const void*, int64_t n, int64_t) {
  auto* to = static_cast<float*>(out);
  auto* from = static_cast<const F16*>(in);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
  for (; i < n; ++i) to[i] = to_float(from[i]);
}
template <>
void convert_block<float, F16>(void* out, const void* in, const void*, const void*, int64_t n, int64_t) {
  auto* to = static_cast<F16*>(out);
  auto* from = static_cast<const float*>(in);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; ++i) to[i] = to_f16(from[i]);
}
#endif

// What a type computes in.
template <class T>
struct ComputeOf {
  using type = int64_t;
  static constexpr DType kType = kI64;
};
template <>
struct ComputeOf<float> {
  using type = float;
  static constexpr DType kType = kF32;
};
template <>
struct ComputeOf<double> {
  using type = double;
  static constexpr DType kType = kF64;
};
template <>
struct ComputeOf<BF16> : ComputeOf<float> {};
template <>
struct ComputeOf<F16> : ComputeOf<float> {};

// One copy of each conversion a file.
template <class From, class To>
constexpr BlockFn conversion() {
  if constexpr (__is_same(From, To)) {
    return nullptr;
  } else {
    return convert_block<From, To>;
  }
}
template <class T>
struct FormatOf {
  using Compute = typename ComputeOf<T>::type;
  static constexpr Format value = {sizeof(T), sizeof(Compute), conversion<T, Compute>(),
                                   conversion<Compute, T>(), ComputeOf<T>::kType};
};
// Bytes that a block reads or writes as they are: bools that a kernel makes or tests.
constexpr Format kByteFormat = {1, 1, nullptr, nullptr, kBool};

// The names of one operation's kernels, by type.
struct Names {
  const char* of[kDTypeCount];
};
#define MO_NAMES(base)                                                                           \
  Names {                                                                                        \
    {                                                                                            \
      MO_KERNEL_NAME(base "_f32"), MO_KERNEL_NAME(base "_f64"), MO_KERNEL_NAME(base "_bf16"),    \
          MO_KERNEL_NAME(base "_f16"), MO_KERNEL_NAME(base "_i64"), MO_KERNEL_NAME(base "_i32"), \
          MO_KERNEL_NAME(base "_u8"), MO_KERNEL_NAME(base "_bool")                               \
    }                                                                                            \
  }

// Which types an entry of the list takes.
enum Types { F = 1, N = 2 | F, B = 4 | N, I = 8 };
constexpr bool takes(Types types, DType t) {
  if (t <= kF16) return types & F;
  if (t == kBool) return types == B || types == I;
  return types == N || types == B || types == I;
}

// Block is a struct with a template: Block::run<C>(out, a, b, c, n) for the compute types float, double,
// int64_t.
template <class Block, int kInputs, DType kType, bool kByteOut>
void kernel(const ElementwiseArgs* args, const Run* run) {
  using T = typename TypeOf<kType>::type;
  using C = typename ComputeOf<T>::type;
  constexpr const Format* f = &FormatOf<T>::value;
  static constexpr KernelSpec spec = {Block::template run<C>,
                                      kInputs,
                                      {f, f, f},
                                      kByteOut ? &kByteFormat : f,
                                      Block::kDivides && ComputeOf<T>::kType == kI64,
                                      ComputeOf<T>::kType != kI64};
  drive(args, run, &spec);
}

template <class Block, int kInputs, bool kByteOut, int kType = 0>
void fill_row(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    constexpr DType t = static_cast<DType>(kType);
    if constexpr (takes(Block::kTypes, t)) row[t] = {kernel<Block, kInputs, t, kByteOut>, names.of[t]};
    fill_row<Block, kInputs, kByteOut, kType + 1>(row, names);
  }
}

MO_ISA_END
