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

// An output row from one row of the input.
template <class C>
MO_INLINE void along_row(const C* row, const Taps1<C>& t, int64_t n, C* out) {
  for (int64_t j = 0; j < n; ++j) {
    const C* from = row + t.first[j];
    const C* weight = t.weight + j * t.taps;
    const int64_t count = t.count[j];
    C total = weight[0] * from[0];
    if (count == 2) {  // linear, without a loop
      total += weight[1] * from[1];
    } else {
      for (int64_t k = 1; k < count; ++k) total += weight[k] * from[k];
    }
    out[j] = total;
  }
}

template <class C>
struct Resample {
  using V = Vec<C>;
  const ResampleArgs* a;
  Taps1<C> rows, columns;
  C* buffers;  // for each slot as much as ResampleArgs says
  int64_t per_slot, per_task;
  bool pairs;  // outputs 2 c and 2 c + 1 of a row are both column c

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
        C* to = w.mode == kResampleCopy ? out : s.buffers + slot * s.per_slot;
        blend_rows(in, w.size, s.rows.weight + i * s.rows.taps, s.rows.count[i], w.size, to);
        if (w.mode == kResampleCopy) continue;
        row = to;
      }
      // A single tap of a row has weight 1.
      along_row(row, s.columns, w.out, out);
    }
  }
  // Where there are more rows of output than of input: each row of input along itself once, then blended. A
  // slot keeps the last four.
  static void columns_first(void* context, int64_t task, int slot) {
    const auto& s = *static_cast<const Resample*>(context);
    const ResampleDim &h = s.a->rows, &w = s.a->columns;
    const int64_t all = s.a->planes * h.out;
    const int64_t last = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    C* kept = s.buffers + slot * s.per_slot;
    int64_t kept_row[4] = {-1, -1, -1, -1};
    for (int64_t r = task * s.per_task; r < last; ++r) {
      const int64_t i = r % h.out, count = s.rows.count[i];
      const C* from[4] = {};
      V weight[4] = {V(0), V(0), V(0), V(0)};
      for (int64_t k = 0; k < count; ++k) {
        const int64_t row = r / h.out * h.size + s.rows.first[i] + k;
        C* to = kept + (row & 3) * w.out;
        if (kept_row[row & 3] != row)
          along_row(static_cast<const C*>(s.a->in) + row * w.size, s.columns, w.out, to);
        kept_row[row & 3] = row;
        from[k] = to;
        weight[k] = V(s.rows.weight[i * s.rows.taps + k]);
      }
      C* out = static_cast<C*>(s.a->out) + r * w.out;
      for (int64_t c = 0; c < w.out; c += V::kLanes) {
        const int64_t left = w.out - c;
        if (left >= V::kLanes) {
          V total = weight[0] * V::load(from[0] + c);
          for (int64_t k = 1; k < count; ++k) total = total + weight[k] * V::load(from[k] + c);
          total.store(out + c);
        } else {
          V total = weight[0] * V::load(from[0] + c, left);
          for (int64_t k = 1; k < count; ++k) total = total + weight[k] * V::load(from[k] + c, left);
          total.store(out + c, left);
        }
      }
    }
  }
  // row, a gradient of outputs, spread along one row of the input, which is added to `out`.
  void spread_row(const C* row, C* out) const {
    const ResampleDim& w = a->columns;
    if (pairs) {
      for (int64_t c = 0; c < w.size; ++c) out[c] += row[2 * c] + row[2 * c + 1];
      return;
    }
    for (int64_t j = 0; j < w.out; ++j) {
      C* to = out + columns.first[j];
      const C* weight = columns.weight + j * columns.taps;
      for (int64_t k = 0; k < columns.count[j]; ++k) to[k] += weight[k] * row[j];
    }
  }
  // Where there are more rows of output than of input, the transpose a plane at a time: the rows of outputs
  // that a row of the input goes to are blended, then spread along it. Their taps start in order.
  static void grad_rows_first(void* context, int64_t plane, int slot) {
    const auto& s = *static_cast<const Resample*>(context);
    const ResampleDim &h = s.a->rows, &w = s.a->columns;
    C* blended = s.buffers + slot * s.per_slot;
    const C* in = static_cast<const C*>(s.a->in) + plane * h.out * w.out;
    C* out = static_cast<C*>(s.a->out) + plane * h.size * w.size;
    int64_t first = 0;
    for (int64_t r = 0; r < h.size; ++r, out += w.size) {
      for (int64_t c = 0; c < w.out; ++c) blended[c] = 0;
      for (int64_t c = 0; c < w.size; ++c) out[c] = 0;
      while (first < h.out && s.rows.first[first] + s.rows.count[first] <= r) ++first;
      for (int64_t i = first; i < h.out && s.rows.first[i] <= r; ++i) {
        const int64_t k = r - s.rows.first[i];
        if (k < s.rows.count[i]) add_row(in + i * w.out, s.rows.weight[i * s.rows.taps + k], w.out, blended);
      }
      s.spread_row(blended, out);
    }
  }
  // The transpose, a plane at a time: each row of `in` is spread along one row, which goes to its taps.
  static void grad_task(void* context, int64_t plane, int slot) {
    const auto& s = *static_cast<const Resample*>(context);
    const ResampleDim &h = s.a->rows, &w = s.a->columns;
    C* buffer = s.buffers + slot * s.per_slot;
    C* out = static_cast<C*>(s.a->out) + plane * h.size * w.size;
    for (int64_t i = 0; i < h.size * w.size; ++i) out[i] = 0;
    for (int64_t i = 0; i < h.out; ++i) {
      const C* in = static_cast<const C*>(s.a->in) + (plane * h.out + i) * w.out;
      const C* row = in;
      if (w.mode != kResampleCopy) {
        for (int64_t c = 0; c < w.size; ++c) buffer[c] = 0;
        s.spread_row(in, buffer);
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
    const ResampleDim &h = args->rows, &w = args->columns;
    const int64_t cost = w.size + w.out;
    const int64_t per_slot = w.size > kResampleRows * w.out ? w.size : kResampleRows * w.out;
    Resample s{args,
               Taps1<C>(h, scratch),
               Taps1<C>(w, second),
               reinterpret_cast<C*>(second + Taps1<C>::bytes(w)),
               per_slot,
               cost < kResampleTask ? kResampleTask / cost : 1,
               false};
    fill_taps(h, s.rows);
    if (w.mode != kResampleCopy) fill_taps(w, s.columns);
    const bool nearest = w.mode == kResampleNearest || w.mode == kResampleNearestExact;
    s.pairs = nearest && w.out == 2 * w.size;
    for (int64_t j = 0; j < w.out && s.pairs; ++j) s.pairs = s.columns.first[j] == j / 2;
    const int64_t tasks = (args->planes * h.out + s.per_task - 1) / s.per_task;
    if (kGrad && h.out > h.size && w.mode != kResampleCopy)
      run->parallel(run, args->planes, grad_rows_first, &s);
    else if (kGrad)
      run->parallel(run, args->planes, grad_task, &s);
    else if (h.out > h.size && h.taps <= kResampleRows && w.mode != kResampleCopy)
      run->parallel(run, tasks, columns_first, &s);
    else
      run->parallel(run, tasks, task, &s);
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
