// Vec<float> and Vec<double>: one register of the instruction set that this file is compiled for. Kernels are
// written once over it. Everything here is in a namespace of the instruction set and internal to the file
// that includes it, so that two builds of one function can never be mixed by the linker.
//
//   V::kLanes, V(double) splat, V::bits(int64_t) splat of a bit pattern, V::load(p), V::load(p, n) the first
//   n lanes and zeros, v.store(p), v.store(p, n) a + b  a - b  a * b  a / b  -a   fma(a, b, c) = a * b + c
//   (one rounding where the machine has it) min(a, b) max(a, b): b where either is NaN    abs sqrt floor ceil
//   trunc round (to even) a < b, <=, >, >=, ==, != give V::Mask; & | ^ ~ on masks; where(mask, a, b);
//   any(mask) store_bytes(mask, p): a byte a lane, 0 or 1 bit_and bit_or bit_xor shift_left<n>
//   shift_right<n>: on the bits, as integers of the lane's size widen(f, &low, &high), narrow(low, high): one
//   VecF as two VecD and back
// Exponentials, logarithms and their like are in vec_math.h; bfloat16 and float16 in common/scalar.h.
#pragma once
#include <stdint.h>

#ifndef MARKONE_ISA
#error "a CPU kernel is compiled once for each instruction set, with MARKONE_ISA set"
#endif

#define MO_INLINE inline __attribute__((always_inline))
// Opens and closes the namespace of this build: everything inside has internal linkage.
#define MO_ISA_BEGIN               \
  namespace markone::MARKONE_ISA { \
  namespace {
#define MO_ISA_END \
  }                \
  }

MO_ISA_BEGIN
template <class T>
struct Vec;
MO_ISA_END

#if defined(MARKONE_ISA_avx512)
#include "kernels/cpu/vec_avx512.h"
#elif defined(MARKONE_ISA_avx2)
#include "kernels/cpu/vec_avx2.h"
#elif defined(MARKONE_ISA_neon)
#include "kernels/cpu/vec_neon.h"
#else
#include "kernels/cpu/vec_baseline.h"
#endif

// The name of a kernel with its instruction set: MO_KERNEL_NAME("gemm_f32_6x16") is "gemm_f32_6x16_avx2".
#define MO_STRING_(x) #x
#define MO_STRING(x) MO_STRING_(x)
#define MO_KERNEL_NAME(base) base "_" MO_STRING(MARKONE_ISA)
