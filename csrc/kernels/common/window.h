// Pooling with windows of any kind: where a window lies, and one output of each pooling. C is the element
// type, A the type of sums. Internal to the file that includes it.
#pragma once
#include <stdint.h>

#include "contract/pool.h"

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

// Places first, first + step, ... before last; `counted` is how many count for a mean.
struct Window {
  int64_t first, last, step, counted;
};

MO_SHARED inline Window plain_window(const WindowDim& d, int64_t o, bool include_pad) {
  const int64_t start = o * d.stride - d.pad, span = (d.kernel - 1) * d.dilation + 1;
  const int64_t low = include_pad ? -d.pad : 0, high = include_pad ? d.size + d.pad : d.size;
  const int64_t from = start > low ? start : low, to = start + span < high ? start + span : high;
  Window w{start, start + span < d.size ? start + span : d.size, d.dilation, to - from};
  if (start < 0) w.first += (d.dilation - 1 - start) / d.dilation * d.dilation;
  return w;
}

template <class C>
MO_SHARED Window window_of(const WindowArgs& a, int axis, int64_t plane, int64_t o) {
  const WindowDim& d = a.dim[axis];
  if (a.kind == kPlainWindows) return plain_window(d, o, a.count_include_pad);
  int64_t first, last;
  if (a.kind == kAdaptiveWindows) {
    // o * size stays exact where both are below 2^31, which the caller checks.
    first = o * d.size / d.out;
    last = ((o + 1) * d.size + d.out - 1) / d.out;
  } else {
    first = d.size - d.kernel;
    if (o < d.out - 1) {
      C u = static_cast<const C*>(a.samples)[plane * a.samples_per_plane + d.sample];
      u = u >= 0 && u < 1 ? u : C(0);  // reported by check_samples
      const C alpha = static_cast<C>(d.size - d.kernel) / static_cast<C>(d.out - 1);
      const int64_t at =
          static_cast<int64_t>((static_cast<C>(o) + u) * alpha) - static_cast<int64_t>(u * alpha);
      if (at < first) first = at;
    }
    last = first + d.kernel;
  }
  return {first, last, 1, last - first};
}

template <class C>
void check_samples(const WindowArgs& a, const Run* run) {
  const C* u = static_cast<const C*>(a.samples);
  if (a.kind != kFractionalWindows) return;
  for (int64_t i = 0; i < a.planes * a.samples_per_plane; ++i)
    if (!(u[i] >= 0 && u[i] < 1))
      run->report(run, i, u[i] >= 1 && u[i] < 1e9 ? static_cast<int64_t>(u[i]) : -1, 0, 1);
}

// The three windows of flat output o, and its plane.
template <class C>
struct Windows {
  int64_t plane;
  Window w[3];
  MO_SHARED Windows(const WindowArgs& a, int64_t o) {
    plane = o / (a.dim[0].out * a.dim[1].out * a.dim[2].out);
    w[2] = window_of<C>(a, 2, plane, o % a.dim[2].out);
    w[1] = window_of<C>(a, 1, plane, o / a.dim[2].out % a.dim[1].out);
    w[0] = window_of<C>(a, 0, plane, o / (a.dim[2].out * a.dim[1].out) % a.dim[0].out);
  }
  // visit(flat place in the plane) in order.
  template <class Visit>
  MO_SHARED void each(const WindowArgs& a, Visit visit) const {
    for (int64_t i = w[0].first; i < w[0].last; i += w[0].step)
      for (int64_t j = w[1].first; j < w[1].last; j += w[1].step)
        for (int64_t k = w[2].first; k < w[2].last; k += w[2].step)
          visit((i * a.dim[1].size + j) * a.dim[2].size + k);
  }
};
MO_SHARED inline int64_t plane_size(const WindowArgs& a) {
  return a.dim[0].size * a.dim[1].size * a.dim[2].size;
}

// The first maximum, or the last NaN. A window with nothing inside has -inf and index -1.
template <class C>
MO_SHARED void max_of(const WindowArgs& a, int64_t o) {
  const Windows<C> windows(a, o);
  const C* x = static_cast<const C*>(a.x) + windows.plane * plane_size(a);
  C best = -static_cast<C>(__builtin_inf());
  int64_t found = -1;
  windows.each(a, [&](int64_t at) {
    if (found >= 0 && !(x[at] > best) && x[at] == x[at]) return;
    best = x[at];
    found = at;
  });
  static_cast<C*>(a.y)[o] = best;
  a.indices[o] = found;
}

// An element with probability max(x, 0) over the window's sum of it; where that sum is 0 all are alike. NaN
// wins.
template <class C, class A>
MO_SHARED void stochastic_of(const WindowArgs& a, int64_t o) {
  const Windows<C> windows(a, o);
  const C* x = static_cast<const C*>(a.x) + windows.plane * plane_size(a);
  const C u = static_cast<const C*>(a.samples)[o];
  A total = 0, sum = 0;
  int64_t count = 0, found = -1, largest = -1;
  windows.each(a, [&](int64_t at) {
    if (largest < 0 || x[at] > x[largest] || x[at] != x[at]) largest = at;
    total += x[at] > 0 ? x[at] : C(0);
    ++count;
  });
  if (largest >= 0 && x[largest] != x[largest]) {
    found = largest;
  } else if (total > 0) {
    const A target = u * total;
    windows.each(a, [&](int64_t at) {
      sum += x[at] > 0 ? x[at] : C(0);
      if (found < 0 && sum > target) found = at;
    });
    if (found < 0) found = largest;  // rounding, or an infinite sum
  } else {
    int64_t left = u >= 0 && u < 1 ? static_cast<int64_t>(u * static_cast<A>(count)) : 0;
    windows.each(a, [&](int64_t at) {
      if (left-- >= 0) found = at;
    });
  }
  static_cast<C*>(a.y)[o] = found >= 0 ? x[found] : C(0);
  a.indices[o] = found;
}

template <class C>
MO_SHARED C divisor_of(const WindowArgs& a, const Windows<C>& windows) {
  if (a.divisor_override) return static_cast<C>(a.divisor_override);
  return static_cast<C>(windows.w[0].counted) * static_cast<C>(windows.w[1].counted) *
         static_cast<C>(windows.w[2].counted);
}

template <class C, class A>
MO_SHARED void mean_of(const WindowArgs& a, int64_t o) {
  const Windows<C> windows(a, o);
  const C* x = static_cast<const C*>(a.x) + windows.plane * plane_size(a);
  A total = 0;
  windows.each(a, [&](int64_t at) { total += x[at]; });
  static_cast<C*>(a.y)[o] = static_cast<C>(total / divisor_of<C>(a, windows));
}

// The gradient of one plane.
template <class C>
MO_SHARED void spread_means(const WindowArgs& a, int64_t plane) {
  const int64_t in = plane_size(a), out = a.dim[0].out * a.dim[1].out * a.dim[2].out;
  C* dx = static_cast<C*>(a.y) + plane * in;
  for (int64_t i = 0; i < in; ++i) dx[i] = 0;
  for (int64_t o = plane * out; o < (plane + 1) * out; ++o) {
    const Windows<C> windows(a, o);
    const C share = static_cast<const C*>(a.x)[o] / divisor_of<C>(a, windows);
    windows.each(a, [&](int64_t at) { dx[at] += share; });
  }
}

MO_ISA_END
