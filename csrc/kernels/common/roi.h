// Regions of interest: one box of the forward, one plane of the gradient. T is the element type, A that of
// sums. Internal to the file that includes it.
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

template <class T>
MO_SHARED const T* roi_box(const RoiArgs& a, int64_t k) {
  return static_cast<const T*>(a.boxes) + 5 * k;
}
// The image that a box is of, or -1.
template <class T>
MO_SHARED int64_t image_of(const RoiArgs& a, int64_t k) {
  const T image = roi_box<T>(a, k)[0];
  return image >= 0 && image < static_cast<T>(a.batch) ? static_cast<int64_t>(image) : -1;
}
template <class T>
void check_boxes(const RoiArgs& a, const Run* run) {
  for (int64_t k = 0; k < a.count; ++k) {
    if (image_of<T>(a, k) >= 0) continue;
    const T image = roi_box<T>(a, k)[0];
    run->report(run, 5 * k, image >= 0 && image < 1e9 ? static_cast<int64_t>(image) : -1, 0, a.batch);
  }
}

// One dimension of one box: the bins' samples.
template <class A>
struct AlignAxis {
  A start, bin, step;
  int64_t samples, size;

  MO_SHARED AlignAxis(A low, A high, int64_t out, int64_t size_, const RoiArgs& a) : size(size_) {
    const A scale = static_cast<A>(a.scale), shift = a.aligned ? A(0.5) : A(0);
    start = low * scale - shift;
    A length = high * scale - shift - start;
    if (!a.aligned && !(length > 1)) length = 1;
    bin = length / static_cast<A>(out);
    samples = a.sampling_ratio;
    // A box beyond what an array can hold has its samples outside, all but none of them.
    if (samples <= 0)
      samples = bin > 0 && bin < A(1e9) ? static_cast<int64_t>(::ceil(static_cast<double>(bin))) : 0;
    step = samples > 0 ? bin / static_cast<A>(samples) : A(0);
  }
  // Samples [first, last) of bin `o` may lie inside.
  MO_SHARED void inside(int64_t o, int64_t* first, int64_t* last) const {
    const A from = start + static_cast<A>(o) * bin;
    *first = 0;
    *last = samples;
    if (!(step > 0)) return;
    const A low = (-2 - from) / step, high = (static_cast<A>(size) + 2 - from) / step;
    if (low > 0) *first = low < static_cast<A>(samples) ? static_cast<int64_t>(low) : samples;
    if (!(high < static_cast<A>(samples))) return;
    *last = high > 0 ? static_cast<int64_t>(high) + 1 : 0;
    if (*last > samples) *last = samples;
  }
};

// The two neighbours of sample `i` of bin `o` and the part of the second; false where the sample is outside.
template <class A>
MO_SHARED bool neighbours(const AlignAxis<A>& axis, int64_t o, int64_t i, int64_t* low, int64_t* high,
                          A* part) {
  A at = axis.start + static_cast<A>(o) * axis.bin + (static_cast<A>(i) + A(0.5)) * axis.step;
  if (!(at >= -1 && at <= static_cast<A>(axis.size))) return false;
  if (at < 0) at = 0;
  *low = static_cast<int64_t>(at);
  if (*low >= axis.size - 1) {
    *low = *high = axis.size - 1;
    *part = 0;
    return true;
  }
  *high = *low + 1;
  *part = at - static_cast<A>(*low);
  return true;
}

// visit(place in the plane, weight) for the samples of bin (i, j), in order.
template <class A, class Visit>
MO_SHARED void each_sample(const AlignAxis<A>& rows, const AlignAxis<A>& columns, int64_t i, int64_t j,
                           Visit visit) {
  int64_t first_p, last_p, first_q, last_q, top, bottom, left, right;
  A down, across;
  rows.inside(i, &first_p, &last_p);
  columns.inside(j, &first_q, &last_q);
  for (int64_t p = first_p; p < last_p; ++p) {
    if (!neighbours(rows, i, p, &top, &bottom, &down)) continue;
    for (int64_t q = first_q; q < last_q; ++q) {
      if (!neighbours(columns, j, q, &left, &right, &across)) continue;
      visit(top * columns.size + left, (1 - down) * (1 - across));
      visit(top * columns.size + right, (1 - down) * across);
      visit(bottom * columns.size + left, down * (1 - across));
      visit(bottom * columns.size + right, down * across);
    }
  }
}

template <class T, class A>
MO_SHARED A samples_of(const AlignAxis<A>& rows, const AlignAxis<A>& columns) {
  const A count = static_cast<A>(rows.samples) * static_cast<A>(columns.samples);
  return count > 1 ? count : A(1);
}

template <class T, class A>
MO_SHARED void align_box(const RoiArgs& a, int64_t k) {
  const int64_t image = image_of<T>(a, k);
  const T* box = roi_box<T>(a, k);
  const AlignAxis<A> rows(box[2], box[4], a.out_h, a.h, a), columns(box[1], box[3], a.out_w, a.w, a);
  const A count = samples_of<T>(rows, columns);
  for (int64_t c = 0; c < a.channels; ++c) {
    T* y = static_cast<T*>(a.out) + (k * a.channels + c) * a.out_h * a.out_w;
    const T* x = static_cast<const T*>(a.x) + (image * a.channels + c) * a.h * a.w;
    for (int64_t o = 0; o < a.out_h * a.out_w; ++o) {
      A total = 0;
      if (image >= 0)
        each_sample(rows, columns, o / a.out_w, o % a.out_w,
                    [&](int64_t at, A weight) { total += weight * x[at]; });
      y[o] = static_cast<T>(total / count);
    }
  }
}

// The gradient of one channel of one image: its boxes in order.
template <class T, class A>
MO_SHARED void align_gradient(const RoiArgs& a, int64_t plane) {
  T* dx = static_cast<T*>(a.out) + plane * a.h * a.w;
  for (int64_t i = 0; i < a.h * a.w; ++i) dx[i] = 0;
  for (int64_t k = 0; k < a.count; ++k) {
    if (image_of<T>(a, k) != plane / a.channels) continue;
    const T* box = roi_box<T>(a, k);
    const T* g = static_cast<const T*>(a.g) + (k * a.channels + plane % a.channels) * a.out_h * a.out_w;
    const AlignAxis<A> rows(box[2], box[4], a.out_h, a.h, a), columns(box[1], box[3], a.out_w, a.w, a);
    const A count = samples_of<T>(rows, columns);
    for (int64_t o = 0; o < a.out_h * a.out_w; ++o) {
      const A share = g[o] / count;
      each_sample(rows, columns, o / a.out_w, o % a.out_w,
                  [&](int64_t at, A weight) { dx[at] = static_cast<T>(dx[at] + weight * share); });
    }
  }
}

// Whole places [first, last) of bin `o`, and at least one place long before it is cut to the image.
template <class T>
MO_SHARED void pool_bin(T low, T high, T scale, int64_t o, int64_t out, int64_t size, int64_t* first,
                        int64_t* last) {
  const double start = ::round(static_cast<double>(low * scale)),
               end = ::round(static_cast<double>(high * scale));
  const double length = end - start + 1 > 1 ? end - start + 1 : 1;
  // The bin's size is rounded to the type, as torchvision's is.
  const T bin = static_cast<T>(length) / static_cast<T>(out);
  const double from = ::floor(static_cast<double>(static_cast<T>(o) * bin)) + start;
  const double to = ::ceil(static_cast<double>(static_cast<T>(o + 1) * bin)) + start;
  const auto cut = [size](double x) {
    return x > 0 ? x < static_cast<double>(size) ? static_cast<int64_t>(x) : size : int64_t{0};
  };
  *first = cut(from);
  *last = cut(to);
}

template <class T>
MO_SHARED void pool_box(const RoiArgs& a, int64_t k) {
  const int64_t image = image_of<T>(a, k);
  const T* box = roi_box<T>(a, k);
  const T scale = static_cast<T>(a.scale);
  for (int64_t i = 0; i < a.out_h; ++i)
    for (int64_t j = 0; j < a.out_w; ++j) {
      int64_t top, bottom, left, right;
      pool_bin(box[2], box[4], scale, i, a.out_h, a.h, &top, &bottom);
      pool_bin(box[1], box[3], scale, j, a.out_w, a.w, &left, &right);
      for (int64_t c = 0; c < a.channels; ++c) {
        const T* x = static_cast<const T*>(a.x) + (image * a.channels + c) * a.h * a.w;
        const int64_t o = ((k * a.channels + c) * a.out_h + i) * a.out_w + j;
        T best = 0;
        int64_t found = -1;
        for (int64_t p = top; image >= 0 && p < bottom; ++p)
          for (int64_t q = left; q < right; ++q) {
            const T v = x[p * a.w + q];
            if (found >= 0 && !(v > best) && v == v) continue;
            best = v;
            found = p * a.w + q;
          }
        static_cast<T*>(a.out)[o] = best;
        a.indices[o] = found;
      }
    }
}

template <class T>
void pool_gradient(const RoiArgs& a, int64_t plane, const Run* run) {
  T* dx = static_cast<T*>(a.out) + plane * a.h * a.w;
  for (int64_t i = 0; i < a.h * a.w; ++i) dx[i] = 0;
  for (int64_t k = 0; k < a.count; ++k) {
    if (image_of<T>(a, k) != plane / a.channels) continue;
    const int64_t first = (k * a.channels + plane % a.channels) * a.out_h * a.out_w;
    for (int64_t o = first; o < first + a.out_h * a.out_w; ++o) {
      const int64_t at = a.indices[o];
      if (at >= 0 && at < a.h * a.w)
        dx[at] += static_cast<const T*>(a.g)[o];
      else if (at != -1)
        run->report(run, o, at, 0, a.h * a.w);
    }
  }
}

MO_ISA_END
