// Boxes.
#include "contract/vision.h"

#include "kernels/common/roi.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Calls one(args, i, run) for i in [0, count), kEach of them a task.
template <class Args, void (*kOne)(const Args&, int64_t, const Run*)>
struct ForEach {
  const Args* a;
  const Run* run;
  int64_t count, each;
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const ForEach*>(context);
    const int64_t last = (task + 1) * s.each < s.count ? (task + 1) * s.each : s.count;
    for (int64_t i = task * s.each; i < last; ++i) kOne(*s.a, i, s.run);
  }
  static void start(const Args* a, const Run* run, int64_t count, int64_t each) {
    ForEach s{a, run, count, each};
    run->parallel(run, (count + each - 1) / each, task, &s);
  }
};

template <class T>
struct Roi {
  static void align(const RoiArgs& a, int64_t k, const Run*) { align_box<T, T>(a, k); }
  static void pool(const RoiArgs& a, int64_t k, const Run*) { pool_box<T>(a, k); }
  static void align_plane(const RoiArgs& a, int64_t i, const Run*) { align_gradient<T, T>(a, i); }
  static void pool_plane(const RoiArgs& a, int64_t i, const Run* run) { pool_gradient<T>(a, i, run); }
  template <void (*kOne)(const RoiArgs&, int64_t, const Run*), bool kGrad>
  static void kernel(const RoiArgs* a, const Run* run) {
    check_boxes<T>(*a, run);
    ForEach<RoiArgs, kOne>::start(a, run, kGrad ? a->batch * a->channels : a->count, 1);
  }
};

// The boxes in order, a coordinate after the other, so that one is compared with a vector of the later ones.
template <class T>
void nms(const NmsArgs* a, const Run* run) {
  using V = Vec<T>;
  const int64_t n = a->count;
  T* x1 = static_cast<T*>(run->scratch);
  T *y1 = x1 + n, *x2 = y1 + n, *y2 = x2 + n, *area = y2 + n;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = a->order[i];
    const bool inside = at >= 0 && at < n;
    if (!inside) run->report(run, i, at, 0, n);
    const T* box = static_cast<const T*>(a->boxes) + 4 * (inside ? at : 0);
    x1[i] = box[0];
    y1[i] = box[1];
    x2[i] = box[2];
    y2[i] = box[3];
    area[i] = (box[2] - box[0]) * (box[3] - box[1]);
    a->keep[i] = inside;
  }
  const V zero(0), threshold(static_cast<T>(a->threshold));
  for (int64_t i = 0; i < n; ++i) {
    if (!a->keep[i]) continue;
    const V left(x1[i]), top(y1[i]), right(x2[i]), bottom(y2[i]), own(area[i]);
    for (int64_t j = i + 1; j < n; j += V::kLanes) {
      const int64_t m = n - j < V::kLanes ? n - j : V::kLanes;
      const V width = min(V::load(x2 + j, m), right) - max(V::load(x1 + j, m), left);
      const V height = min(V::load(y2 + j, m), bottom) - max(V::load(y1 + j, m), top);
      const V both = where(width > zero, width, zero) * where(height > zero, height, zero);
      const auto over = both / (own + V::load(area + j, m) - both) > threshold;
      if (!any(over)) continue;
      uint8_t bytes[V::kLanes];
      store_bytes(over, bytes);
      for (int64_t k = 0; k < m; ++k)
        if (bytes[k] && (!a->groups || a->groups[a->order[i]] == a->groups[a->order[j + k]]))
          a->keep[j + k] = 0;
    }
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_grid(VisionKernels* table);
void fill_pad(VisionKernels* table);
void fill_resample(VisionKernels* table);

void fill_vision(VisionKernels* table) {
  fill_grid(table);
  fill_pad(table);
  fill_resample(table);
  table->nms[kF32] = {nms<float>, MO_KERNEL_NAME("nms_f32")};
  table->nms[kF64] = {nms<double>, MO_KERNEL_NAME("nms_f64")};
  using F = Roi<float>;
  using D = Roi<double>;
  table->roi_align[kF32] = {F::kernel<F::align, false>, MO_KERNEL_NAME("roi_align_f32")};
  table->roi_align[kF64] = {D::kernel<D::align, false>, MO_KERNEL_NAME("roi_align_f64")};
  table->roi_align_grad[kF32] = {F::kernel<F::align_plane, true>, MO_KERNEL_NAME("roi_align_grad_f32")};
  table->roi_align_grad[kF64] = {D::kernel<D::align_plane, true>, MO_KERNEL_NAME("roi_align_grad_f64")};
  table->roi_pool[kF32] = {F::kernel<F::pool, false>, MO_KERNEL_NAME("roi_pool_f32")};
  table->roi_pool[kF64] = {D::kernel<D::pool, false>, MO_KERNEL_NAME("roi_pool_f64")};
  table->roi_pool_grad[kF32] = {F::kernel<F::pool_plane, true>, MO_KERNEL_NAME("roi_pool_grad_f32")};
  table->roi_pool_grad[kF64] = {D::kernel<D::pool_plane, true>, MO_KERNEL_NAME("roi_pool_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
