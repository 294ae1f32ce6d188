// Stands in for the AVX-512 intrinsics in test builds (MARKONE_EMULATE_AVX512): SIMDe's, and the few that its
// version 0.7.4 lacks. Force-included before a kernel file; nothing of it is in a shipped build.
#pragma once
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>

static inline __m512 emulated_maskz_loadu_ps(__mmask16 mask, const void* from) {
  float lanes[16] = {};
  for (int i = 0; i < 16; ++i) {
    if (mask >> i & 1) memcpy(&lanes[i], static_cast<const float*>(from) + i, 4);
  }
  return _mm512_loadu_ps(lanes);
}
static inline __m512d emulated_maskz_loadu_pd(__mmask8 mask, const void* from) {
  double lanes[8] = {};
  for (int i = 0; i < 8; ++i) {
    if (mask >> i & 1) memcpy(&lanes[i], static_cast<const double*>(from) + i, 8);
  }
  return _mm512_loadu_pd(lanes);
}
static inline void emulated_mask_storeu_ps(void* to, __mmask16 mask, __m512 a) {
  float lanes[16];
  _mm512_storeu_ps(lanes, a);
  for (int i = 0; i < 16; ++i) {
    if (mask >> i & 1) memcpy(static_cast<float*>(to) + i, &lanes[i], 4);
  }
}
static inline void emulated_mask_storeu_pd(void* to, __mmask8 mask, __m512d a) {
  double lanes[8];
  _mm512_storeu_pd(lanes, a);
  for (int i = 0; i < 8; ++i) {
    if (mask >> i & 1) memcpy(static_cast<double*>(to) + i, &lanes[i], 8);
  }
}
static inline __m512d emulated_cvtps_pd(__m256 a) {
  double lanes[8];
  _mm256_storeu_pd(lanes, _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
  _mm256_storeu_pd(lanes + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
  return _mm512_loadu_pd(lanes);
}
static inline __m256 emulated_cvtpd_ps(__m512d a) {
  double lanes[8];
  _mm512_storeu_pd(lanes, a);
  return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(lanes + 4)),
                         _mm256_cvtpd_ps(_mm256_loadu_pd(lanes)));
}
static inline __m256 emulated_extractf32x8_ps(__m512 a, int half) {
  float lanes[16];
  _mm512_storeu_ps(lanes, a);
  return _mm256_loadu_ps(lanes + 8 * half);
}
static inline __m128i emulated_mm_maskz_set1_epi8(__mmask16 mask, char value) {
  char lanes[16] = {};
  for (int i = 0; i < 16; ++i) lanes[i] = mask >> i & 1 ? value : 0;
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes));
}

#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_maskz_loadu_pd emulated_maskz_loadu_pd
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_mask_storeu_pd emulated_mask_storeu_pd
#define _mm512_cvtps_pd emulated_cvtps_pd
#define _mm512_cvtpd_ps emulated_cvtpd_ps
#define _mm512_extractf32x8_ps emulated_extractf32x8_ps
#define _mm_maskz_set1_epi8 emulated_mm_maskz_set1_epi8
