// Which neighbours an output of resampling takes, and their weights. Internal to the file that includes it.
#pragma once
#include <math.h>
#include <stdint.h>

#include "contract/vision.h"

#ifndef MO_SHARED  // CUDA's are for the device too
#define MO_SHARED
#endif
#ifndef MO_ISA_BEGIN
#define MO_ISA_BEGIN               \
  namespace markone::MARKONE_ISA { \
  namespace {
#define MO_ISA_END \
  }                \
  }
#endif

MO_ISA_BEGIN

// The outputs of one dimension: output o is the sum over k < count[o] of weight[o * taps + k] * in[first[o] +
// k].
template <class C>
struct Taps1 {
  int64_t taps;
  int64_t *first, *count;
  C* weight;
  MO_SHARED Taps1(const ResampleDim& d, char* memory) : taps(d.taps) {
    first = reinterpret_cast<int64_t*>(memory);
    count = first + d.out;
    weight = reinterpret_cast<C*>(count + d.out);
  }
  MO_SHARED static int64_t bytes(const ResampleDim& d) { return d.out * (kResampleScratch + 8 * d.taps); }
};

// The cubic convolution kernel of Keys (1981).
MO_SHARED inline double cubic(double x, double a) {
  x = x < 0 ? -x : x;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// Weights are found in double and rounded once; the places of "nearest" in float, as PyTorch's are.
template <class C>
MO_SHARED void fill_tap(const ResampleDim& d, const Taps1<C>& t, int64_t o) {
  C* w = t.weight + o * t.taps;
  int64_t& first = t.first[o];
  int64_t& count = t.count[o];
  count = 1;
  w[0] = 1;
  if (d.mode == kResampleCopy) {
    first = o;
    return;
  }
  if (d.mode == kResampleNearest || d.mode == kResampleNearestExact) {
    const float shift = d.mode == kResampleNearest ? 0.0f : 0.5f;
    const double at = ::floorf((static_cast<float>(o) + shift) * static_cast<float>(d.scale));
    first = at < static_cast<double>(d.size - 1) ? static_cast<int64_t>(at) : d.size - 1;
    return;
  }
  const bool is_cubic = d.mode == kResampleCubic;
  if (d.antialias) {
    const double stretch = d.scale > 1 ? d.scale : 1, support = (is_cubic ? 2 : 1) * stretch;
    const double center = d.scale * (static_cast<double>(o) + 0.5);
    const double low = ::floor(center - support + 0.5), high = ::floor(center + support + 0.5);
    first = low > 0 ? static_cast<int64_t>(low) : 0;
    if (first > d.size - 1) first = d.size - 1;
    count = (high < static_cast<double>(d.size) ? static_cast<int64_t>(high) : d.size) - first;
    if (count < 1) count = 1;
    if (count > t.taps) count = t.taps;
    double total = 0;
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t k = 0; k < count; ++k) {
        const double x = (static_cast<double>(first + k) - center + 0.5) / stretch;
        const double far = x < 0 ? -x : x;
        const double v = is_cubic ? cubic(x, -0.5) : far < 1 ? 1 - far : 0;
        if (pass == 0)
          total += v;
        else
          w[k] = static_cast<C>(total != 0 ? v / total : v);
      }
    }
    return;
  }
  double at =
      d.align_corners ? static_cast<double>(o) * d.scale : (static_cast<double>(o) + 0.5) * d.scale - 0.5;
  if (!is_cubic && at < 0) at = 0;
  const double whole = ::floor(at);
  const int64_t low = whole < static_cast<double>(d.size - 1) ? static_cast<int64_t>(whole) : d.size - 1;
  double part = at - static_cast<double>(low);
  if (part > 1) part = 1;
  if (!is_cubic) {
    first = low;
    if (low == d.size - 1) return;
    count = 2;
    w[0] = static_cast<C>(1 - part);
    w[1] = static_cast<C>(part);
    return;
  }
  // Taps outside repeat the edge: their weights go to it.
  first = low - 1 > 0 ? low - 1 : 0;
  const int64_t last = low + 2 < d.size - 1 ? low + 2 : d.size - 1;
  count = last - first + 1;
  double sum[4] = {0, 0, 0, 0};
  for (int64_t k = -1; k <= 2; ++k) {
    const int64_t place = low + k < first ? first : low + k > last ? last : low + k;
    sum[place - first] += cubic(part - static_cast<double>(k), -0.75);
  }
  for (int64_t k = 0; k < count; ++k) w[k] = static_cast<C>(sum[k]);
}

template <class C>
void fill_taps(const ResampleDim& d, const Taps1<C>& t) {
  for (int64_t o = 0; o < d.out; ++o) fill_tap(d, t, o);
}

MO_ISA_END
