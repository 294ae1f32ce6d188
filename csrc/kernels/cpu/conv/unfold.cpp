// Unfold: the columns of the windows of each plane. Fold: their sum in the image, its transpose.
#include "contract/conv.h"
#include "kernels/cpu/gemm/planes.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// The outputs [begin, end) of an axis that meet the image at tap t; the first of them at `at`.
struct Reach {
  int64_t begin, end, at;
  Reach(const ConvAxis& axis, int64_t t) {
    const int64_t shift = axis.pad - t * axis.dilation;  // output o reads o * stride - shift
    begin = shift > 0 ? divide_up(shift, axis.stride) : 0;
    end = axis.in + shift > 0 ? smaller(divide_up(axis.in + shift, axis.stride), axis.out) : 0;
    if (begin >= end) begin = end = 0;
    at = end > begin ? begin * axis.stride - shift : 0;
  }
};

// f(columns of one tap and one row of outputs, reach along the row, row of the image or null where outside).
template <class C, class X, class F>
MO_INLINE void for_rows(const UnfoldArgs& a, C* columns, X* x, const F& f) {
  for (int64_t q = 0; q < a.d.taps; ++q) {
    for (int64_t r = 0; r < a.h.taps; ++r) {
      for (int64_t s = 0; s < a.w.taps; ++s) {
        const Reach along(a.w, s);
        for (int64_t od = 0; od < a.d.out; ++od) {
          const int64_t id = od * a.d.stride + q * a.d.dilation - a.d.pad;
          for (int64_t oh = 0; oh < a.h.out; ++oh, columns += a.w.out) {
            const int64_t ih = oh * a.h.stride + r * a.h.dilation - a.h.pad;
            const bool inside = id >= 0 && id < a.d.in && ih >= 0 && ih < a.h.in;
            f(columns, along, inside ? x + (id * a.h.in + ih) * a.w.in + along.at : nullptr);
          }
        }
      }
    }
  }
}

template <class T>
MO_INLINE void zeros(T* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) Vec<T>(0).store(to + i);
  for (; i < n; ++i) to[i] = 0;
}

MO_INLINE int64_t columns_of(const UnfoldArgs& a) {
  return a.d.taps * a.h.taps * a.w.taps * a.d.out * a.h.out * a.w.out;
}

template <class T>
void unfold_plane(void* context, int64_t p, int) {
  const UnfoldArgs& a = *static_cast<const UnfoldArgs*>(context);
  for_rows(a, static_cast<T*>(a.to) + p * columns_of(a),
           static_cast<const T*>(a.from) + p * a.d.in * a.h.in * a.w.in,
           [&](T* to, const Reach& along, const T* from) {
             if (!from) return zeros(to, a.w.out);
             const int64_t count = along.end - along.begin;
             zeros(to, along.begin);
             if (a.w.stride == 1)
               copy_exact(to + along.begin, from, count);
             else
               for (int64_t i = 0; i < count; ++i) to[along.begin + i] = from[i * a.w.stride];
             zeros(to + along.end, a.w.out - along.end);
           });
}

template <class T>
void fold_plane(void* context, int64_t p, int) {
  const UnfoldArgs& a = *static_cast<const UnfoldArgs*>(context);
  const int64_t size = a.d.in * a.h.in * a.w.in;
  T* x = static_cast<T*>(a.to) + p * size;
  zeros(x, size);
  for_rows(a, static_cast<const T*>(a.from) + p * columns_of(a), x,
           [&](const T* from, const Reach& along, T* to) {
             if (!to) return;
             const int64_t count = along.end - along.begin;
             from += along.begin;
             int64_t i = 0;
             if (a.w.stride == 1) {
               for (; i + kLanes<T> <= count; i += kLanes<T>)
                 (Vec<T>::load(to + i) + Vec<T>::load(from + i)).store(to + i);
             }
             for (; i < count; ++i) to[i * a.w.stride] += from[i];
           });
}

template <class T>
void unfold(const UnfoldArgs* args, const Run* run) {
  UnfoldArgs copy = *args;
  run->parallel(run, args->planes, unfold_plane<T>, &copy);
}
template <class T>
void fold(const UnfoldArgs* args, const Run* run) {
  UnfoldArgs copy = *args;
  run->parallel(run, args->planes, fold_plane<T>, &copy);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_unfold(ConvKernels* table) {
  table->unfold[kF32] = {unfold<float>, MO_KERNEL_NAME("unfold_f32")};
  table->unfold[kF64] = {unfold<double>, MO_KERNEL_NAME("unfold_f64")};
  table->fold[kF32] = {fold<float>, MO_KERNEL_NAME("fold_f32")};
  table->fold[kF64] = {fold<double>, MO_KERNEL_NAME("fold_f64")};
}

}  // namespace markone::MARKONE_ISA
