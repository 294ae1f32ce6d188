// Bilinear resize and its gradient.
#include "contract/vision.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kResizeTask = 16384;

// The two neighbours of an output along one dimension, and their weights.
template <class C>
struct Neighbours {
  int64_t low, high;
  C low_weight, high_weight;
};

template <class C>
void fill_neighbours(int64_t size, int64_t out_size, bool align_corners, Neighbours<C>* out) {
  const C scale = align_corners
                      ? (out_size > 1 ? static_cast<C>(size - 1) / static_cast<C>(out_size - 1) : C(0))
                      : static_cast<C>(size) / static_cast<C>(out_size);
  for (int64_t i = 0; i < out_size; ++i) {
    C at = align_corners ? scale * static_cast<C>(i) : scale * (static_cast<C>(i) + C(0.5)) - C(0.5);
    if (at < 0) at = 0;
    int64_t low = static_cast<int64_t>(at);
    if (low > size - 1) low = size - 1;
    C part = at - static_cast<C>(low);
    if (part > 1) part = 1;
    out[i] = {low, low < size - 1 ? low + 1 : low, C(1) - part, part};
  }
}

// out = a * x + b * y over a row.
template <class C>
MO_INLINE void blend_rows(const C* x, C a, const C* y, C b, int64_t n, C* out) {
  using V = Vec<C>;
  const V va(a), vb(b);
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) (va * V::load(x + i) + vb * V::load(y + i)).store(out + i);
  if (i < n) (va * V::load(x + i, n - i) + vb * V::load(y + i, n - i)).store(out + i, n - i);
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
struct Resize {
  const ResizeArgs* a;
  const Neighbours<C>*rows, *columns;
  C* buffers;  // a row of the input for each slot
  int64_t per_task;

  static void task(void* context, int64_t task, int slot) {
    const auto& s = *static_cast<const Resize*>(context);
    const ResizeArgs& a = *s.a;
    const int64_t all = a.planes * a.out_h;
    const int64_t last = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    C* row = s.buffers + slot * a.w;
    for (int64_t r = task * s.per_task; r < last; ++r) {
      const C* in = static_cast<const C*>(a.in) + r / a.out_h * a.h * a.w;
      C* out = static_cast<C*>(a.out) + r * a.out_w;
      const Neighbours<C> n = s.rows[r % a.out_h];
      blend_rows(in + n.low * a.w, n.low_weight, in + n.high * a.w, n.high_weight, a.w, row);
      for (int64_t j = 0; j < a.out_w; ++j) {
        const Neighbours<C> c = s.columns[j];
        out[j] = c.low_weight * row[c.low] + c.high_weight * row[c.high];
      }
    }
  }
  // The gradient: a plane at a time, each row of `in` is spread along one row, which goes to its two
  // neighbours.
  static void grad_task(void* context, int64_t plane, int slot) {
    const auto& s = *static_cast<const Resize*>(context);
    const ResizeArgs& a = *s.a;
    C* row = s.buffers + slot * a.w;
    C* out = static_cast<C*>(a.out) + plane * a.h * a.w;
    for (int64_t i = 0; i < a.h * a.w; ++i) out[i] = 0;
    for (int64_t i = 0; i < a.out_h; ++i) {
      const C* in = static_cast<const C*>(a.in) + (plane * a.out_h + i) * a.out_w;
      for (int64_t c = 0; c < a.w; ++c) row[c] = 0;
      for (int64_t j = 0; j < a.out_w; ++j) {
        const Neighbours<C> c = s.columns[j];
        row[c.low] += c.low_weight * in[j];
        row[c.high] += c.high_weight * in[j];
      }
      add_row(row, s.rows[i].low_weight, a.w, out + s.rows[i].low * a.w);
      add_row(row, s.rows[i].high_weight, a.w, out + s.rows[i].high * a.w);
    }
  }

  template <bool kGrad>
  static void kernel(const ResizeArgs* args, const Run* run) {
    static_assert(sizeof(Neighbours<C>) <= kResizeScratch);
    auto* rows = static_cast<Neighbours<C>*>(run->scratch);
    auto* columns = rows + args->out_h;
    fill_neighbours(args->h, args->out_h, args->align_corners, rows);
    fill_neighbours(args->w, args->out_w, args->align_corners, columns);
    const int64_t cost = args->w + args->out_w;
    Resize s{args, rows, columns, reinterpret_cast<C*>(columns + args->out_w),
             cost < kResizeTask ? kResizeTask / cost : 1};
    if (kGrad)
      run->parallel(run, args->planes, grad_task, &s);
    else
      run->parallel(run, (args->planes * args->out_h + s.per_task - 1) / s.per_task, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_vision(VisionKernels* table) {
  table->resize_bilinear[kF32] = {Resize<float>::kernel<false>, MO_KERNEL_NAME("resize_bilinear_f32")};
  table->resize_bilinear[kF64] = {Resize<double>::kernel<false>, MO_KERNEL_NAME("resize_bilinear_f64")};
  table->resize_bilinear_grad[kF32] = {Resize<float>::kernel<true>,
                                       MO_KERNEL_NAME("resize_bilinear_grad_f32")};
  table->resize_bilinear_grad[kF64] = {Resize<double>::kernel<true>,
                                       MO_KERNEL_NAME("resize_bilinear_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
