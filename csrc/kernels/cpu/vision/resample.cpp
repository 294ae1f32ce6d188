// Resampling and its gradient: a row of the input blended from its taps, then along that one row.
#include "kernels/common/resample.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kResampleTask = 16384;  // elements

// out = the sum over k of weight[k] * in[k * step], in order of k.
template <class C>
MO_INLINE void blend_rows(const C* in, int64_t step, const C* weight, int64_t count, int64_t n, C* out) {
  using V = Vec<C>;
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const int64_t left = n - i;
    if (left >= V::kLanes) {
      V total = V(weight[0]) * V::load(in + i);
      for (int64_t k = 1; k < count; ++k) total = total + V(weight[k]) * V::load(in + k * step + i);
      total.store(out + i);
    } else {
      V total = V(weight[0]) * V::load(in + i, left);
      for (int64_t k = 1; k < count; ++k) total = total + V(weight[k]) * V::load(in + k * step + i, left);
      total.store(out + i, left);
    }
  }
}
// out += a * x over a row.
template <class C>
MO_INLINE void add_row(const C* x, C a, int64_t n, C* out) {
  using V = Vec<C>;
  const V va(a);
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) (V::load(out + i) + va * V::load(x + i)).store(out + i);
  if (i < n) (V::load(out + i, n - i) + va * V::load(x + i, n - i)).store(out + i, n - i);
}

template <class C>
struct Resample {
  const ResampleArgs* a;
  Taps1<C> rows, columns;
  C* buffers;  // a row of the input for each slot
  int64_t per_task;

  static void task(void* context, int64_t task, int slot) {
    const auto& s = *static_cast<const Resample*>(context);
    const ResampleDim &h = s.a->rows, &w = s.a->columns;
    const int64_t all = s.a->planes * h.out;
    const int64_t last = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    for (int64_t r = task * s.per_task; r < last; ++r) {
      const int64_t i = r % h.out;
      const C* in = static_cast<const C*>(s.a->in) + (r / h.out * h.size + s.rows.first[i]) * w.size;
      C* out = static_cast<C*>(s.a->out) + r * w.out;
      const C* row = in;
      if (w.mode == kResampleCopy || s.rows.count[i] > 1) {
        C* to = w.mode == kResampleCopy ? out : s.buffers + slot * w.size;
        blend_rows(in, w.size, s.rows.weight + i * s.rows.taps, s.rows.count[i], w.size, to);
        if (w.mode == kResampleCopy) continue;
        row = to;
      }
      // A single tap of a row has weight 1.
      for (int64_t j = 0; j < w.out; ++j) {
        const C* from = row + s.columns.first[j];
        const C* weight = s.columns.weight + j * s.columns.taps;
        C total = weight[0] * from[0];
        for (int64_t k = 1; k < s.columns.count[j]; ++k) total += weight[k] * from[k];
        out[j] = total;
      }
    }
  }
  // The transpose, a plane at a time: each row of `in` is spread along one row, which goes to its taps.
  static void grad_task(void* context, int64_t plane, int slot) {
    const auto& s = *static_cast<const Resample*>(context);
    const ResampleDim &h = s.a->rows, &w = s.a->columns;
    C* buffer = s.buffers + slot * w.size;
    C* out = static_cast<C*>(s.a->out) + plane * h.size * w.size;
    for (int64_t i = 0; i < h.size * w.size; ++i) out[i] = 0;
    for (int64_t i = 0; i < h.out; ++i) {
      const C* in = static_cast<const C*>(s.a->in) + (plane * h.out + i) * w.out;
      const C* row = in;
      if (w.mode != kResampleCopy) {
        for (int64_t c = 0; c < w.size; ++c) buffer[c] = 0;
        for (int64_t j = 0; j < w.out; ++j) {
          C* to = buffer + s.columns.first[j];
          const C* weight = s.columns.weight + j * s.columns.taps;
          for (int64_t k = 0; k < s.columns.count[j]; ++k) to[k] += weight[k] * in[j];
        }
        row = buffer;
      }
      for (int64_t k = 0; k < s.rows.count[i]; ++k)
        add_row(row, s.rows.weight[i * s.rows.taps + k], w.size, out + (s.rows.first[i] + k) * w.size);
    }
  }

  template <bool kGrad>
  static void kernel(const ResampleArgs* args, const Run* run) {
    char* scratch = static_cast<char*>(run->scratch);
    char* second = scratch + Taps1<C>::bytes(args->rows);
    const int64_t cost = args->columns.size + args->columns.out;
    Resample s{args, Taps1<C>(args->rows, scratch), Taps1<C>(args->columns, second),
               reinterpret_cast<C*>(second + Taps1<C>::bytes(args->columns)),
               cost < kResampleTask ? kResampleTask / cost : 1};
    fill_taps(args->rows, s.rows);
    if (args->columns.mode != kResampleCopy) fill_taps(args->columns, s.columns);
    if (kGrad)
      run->parallel(run, args->planes, grad_task, &s);
    else
      run->parallel(run, (args->planes * args->rows.out + s.per_task - 1) / s.per_task, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_resample(VisionKernels* table) {
  table->resample[kF32] = {Resample<float>::kernel<false>, MO_KERNEL_NAME("resample_f32")};
  table->resample[kF64] = {Resample<double>::kernel<false>, MO_KERNEL_NAME("resample_f64")};
  table->resample_grad[kF32] = {Resample<float>::kernel<true>, MO_KERNEL_NAME("resample_grad_f32")};
  table->resample_grad[kF64] = {Resample<double>::kernel<true>, MO_KERNEL_NAME("resample_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
