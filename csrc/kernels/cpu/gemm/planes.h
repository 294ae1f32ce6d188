// The input of a convolution as rows that a tile can read: where it lies, or copied into planes with their
// zeros. Outputs are counted along such rows, `width` numbers apart, so that the input of one tap for
// neighbouring outputs is contiguous whatever the stride; what falls between two rows is computed and
// dropped.
#pragma once
#include "contract/conv.h"
#include "kernels/cpu/gemm/pack.h"

MO_ISA_BEGIN

// Rounded up; b > 0 and any a.
MO_INLINE int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b > 0); }

// At least n zeros, and up to a vector more.
template <class T>
MO_INLINE void zero_run(T* to, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes<T>) Vec<T>(0).store(to + i);
}

template <class V, int... kI>
MO_INLINE V every_second(V a, V b, Places<kI...>) {
  return V(__builtin_shufflevector(a.v, b.v, (2 * kI)...));
}
// The lanes 0, 2, 4, .. of a and b.
template <class V>
MO_INLINE V every_second(V a, V b) {
  return every_second(a, b, typename CountTo<V::kLanes>::Type());
}

// The first n numbers, any n.
template <class T>
MO_INLINE Vec<T> load_most(const T* p, int64_t n) {
  return n >= kLanes<T> ? Vec<T>::load(p) : n > 0 ? Vec<T>::load(p, n) : Vec<T>(0);
}

// n numbers, and up to a vector more of anything.
template <class T>
MO_INLINE void copy_run(T* to, const T* from, int64_t n, int64_t stride) {
  if (stride == 1) {
    int64_t i = 0;
    for (; i + kLanes<T> <= n; i += kLanes<T>) Vec<T>::load(from + i).store(to + i);
    if (i < n) Vec<T>::load(from + i, n - i).store(to + i);
  } else {
    int64_t i = 0;
    if (stride == 2) {
      for (; i < n; i += kLanes<T>) {
        const int64_t left = 2 * (n - i) - 1;
        const T* p = from + 2 * i;
        every_second(load_most(p, left), load_most(p + kLanes<T>, left - kLanes<T>)).store(to + i);
      }
    }
    for (; i < n; ++i) to[i] = from[i * stride];
  }
}

// Exactly n numbers to places `step` apart.
template <class T>
MO_INLINE void spread_out(T* to, const T* from, int64_t n, int64_t step) {
#if defined(MARKONE_ISA_avx512)
  if (step == 2) {
    constexpr int64_t kHalf = kLanes<T> / 2;
    constexpr int64_t kEven = 0x5555;
    for (int64_t i = 0; i < n; i += kHalf) {
      const int64_t count = smaller(kHalf, n - i), mask = kEven & ((int64_t{1} << 2 * count) - 1);
      if constexpr (sizeof(T) == 4) {
        const __m512 low = _mm512_maskz_loadu_ps(Vec<T>::first(count), from + i);
        const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
        _mm512_mask_storeu_ps(to + 2 * i, static_cast<__mmask16>(mask), _mm512_permutexvar_ps(twice, low));
      } else {
        const __m512d low = _mm512_maskz_loadu_pd(Vec<T>::first(count), from + i);
        const __m512i twice = _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0);
        _mm512_mask_storeu_pd(to + 2 * i, static_cast<__mmask8>(mask), _mm512_permutexvar_pd(twice, low));
      }
    }
    return;
  }
#endif
  for (int64_t i = 0; i < n; ++i) to[i * step] = from[i];
}

// Exactly n numbers.
template <class T>
MO_INLINE void copy_exact(T* to, const T* from, int64_t n) {
  if (n < kLanes<T>) return copy_few(to, from, n);
  for (int64_t i = 0; i + kLanes<T> <= n; i += kLanes<T>) Vec<T>::load(from + i).store(to + i);
  // The last ones again, with those before them.
  Vec<T>::load(from + n - kLanes<T>).store(to + n - kLanes<T>);
}

// Row q, column j of the plane is input (first_h + q * h.stride, first_w + j * w.stride), zero outside.
// Written from front to back, because each run may write a vector too much.
template <class T>
void fill_plane(T* to, const T* x, const ConvAxis& h, const ConvAxis& w, int64_t x_h, int64_t x_w,
                int64_t first_h, int64_t first_w, int64_t rows, int64_t width) {
  int64_t begin = first_w < 0 ? divide_up(-first_w, w.stride) : 0;
  int64_t end = first_w < w.in ? divide_up(w.in - first_w, w.stride) : 0;
  end = smaller(end, width);
  if (begin >= end) begin = end = 0;
  // The product may not fit where a single number is copied.
  const int64_t step = end - begin > 1 ? w.stride * x_w : 1;
  const T* const source = x + (first_w + begin * w.stride) * x_w;
  const int64_t count = end - begin, in_vectors = count / kLanes<T> * kLanes<T>, tail = count - in_vectors;
  // Zeros come with the last numbers.
  const int64_t filled = begin + in_vectors + (tail ? kLanes<T> : 0);
  const int64_t in_h = h.in, stride_h = h.stride;
  for (int64_t q = 0; q < rows; ++q, to += width) {
    const int64_t ih = first_h + q * stride_h;
    if (ih < 0 || ih >= in_h) {
      zero_run(to, width);
      continue;
    }
    const T* const from = source + ih * x_h;
    zero_run(to, begin);
    if (step == 1) {
      T* const at = to + begin;
      for (int64_t i = 0; i < in_vectors; i += kLanes<T>) Vec<T>::load(from + i).store(at + i);
      if (tail) Vec<T>::load(from + in_vectors, tail).store(at + in_vectors);
      zero_run(to + filled, width - filled);
      continue;
    }
    copy_run(to + begin, from, count, step);
    zero_run(to + end, width - end);
  }
}

// The planes of channels [c0, c0 + count) for the outputs of depth d0 from (h0, w0) on: plane (c, q, r, s) at
// (((c * d.taps + q) * period_h + r) * period_w + s) * plane.
template <class T>
void fill_planes(const ConvImage& image, T* to, const T* x, int64_t c0, int64_t count, int64_t d0, int64_t h0,
                 int64_t w0, int64_t out_rows) {
  const ConvTiling& t = image.tiling;
  const int64_t rows = out_rows + (image.h.taps - 1) / t.period_h * t.step_h;
  for (int64_t c = c0; c < c0 + count; ++c) {
    for (int64_t q = 0; q < image.d.taps; ++q) {
      const int64_t id = d0 * image.d.stride + q * image.d.dilation - image.d.pad;
      const bool inside = id >= 0 && id < image.d.in;
      for (int64_t r = 0; r < t.period_h; ++r) {
        for (int64_t s = 0; s < t.period_w; ++s, to += t.plane) {
          if (inside)
            fill_plane(to, x + c * image.x.channel + id * image.x.d, image.h, image.w, image.x.h, image.x.w,
                       h0 * image.h.stride + r * image.h.dilation - image.h.pad,
                       w0 * image.w.stride + s * image.w.dilation - image.w.pad, rows, t.width);
          else
            zero_run(to, rows * t.width);
          // The last row's zeros to the right, where a row shares them with the next one.
          zero_run(to + rows * t.width, kConvShared);
        }
      }
    }
  }
}

// What the planes of one block of channels take, in whole lines.
MO_INLINE int64_t planes_size(const ConvImage& image) {
  const ConvTiling& t = image.tiling;
  return parts(t.depth * image.d.taps * t.period_h * t.period_w * t.plane, kConvLanes) * kConvLanes;
}

// The offset of each (c, q, r, s) of a block of channels from the output's own place.
MO_INLINE void fill_offsets(const ConvImage& image, int64_t* to) {
  const ConvTiling& t = image.tiling;
  for (int64_t c = 0; c < smaller(t.depth, image.depth); ++c) {
    for (int64_t q = 0; q < image.d.taps; ++q) {
      for (int64_t r = 0; r < image.h.taps; ++r) {
        for (int64_t s = 0; s < image.w.taps; ++s) {
          if (t.period_h == 0)
            *to++ = c * image.x.channel + q * image.d.dilation * image.x.d +
                    r * image.h.dilation * image.x.h + s * image.w.dilation * image.x.w;
          else
            *to++ = (((c * image.d.taps + q) * t.period_h + r % t.period_h) * t.period_w + s % t.period_w) *
                        t.plane +
                    r / t.period_h * t.step_h * t.width + s / t.period_w * t.step_w;
        }
      }
    }
  }
}

MO_ISA_END
