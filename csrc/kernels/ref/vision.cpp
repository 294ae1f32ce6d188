// Resampling, sampling at given places and boxes, in plain loops over double.
#include "contract/vision.h"

#include "kernels/common/grid.h"
#include "kernels/common/pad.h"
#include "kernels/common/resample.h"
#include "kernels/common/roi.h"

namespace markone::ref {
namespace {

// add(flat output, flat input, weight) for every pair, in order.
template <class Add>
void each_tap(const ResampleArgs& a, char* scratch, Add add) {
  const ResampleDim &r = a.rows, &c = a.columns;
  const Taps1<double> rows(r, scratch), columns(c, scratch + Taps1<double>::bytes(r));
  fill_taps(r, rows);
  fill_taps(c, columns);
  for (int64_t o = 0; o < a.planes * r.out * c.out; ++o) {
    const int64_t i = o / c.out % r.out, j = o % c.out, plane = o / (r.out * c.out) * r.size * c.size;
    for (int64_t p = 0; p < rows.count[i]; ++p)
      for (int64_t q = 0; q < columns.count[j]; ++q)
        add(o, plane + (rows.first[i] + p) * c.size + columns.first[j] + q,
            rows.weight[i * rows.taps + p] * columns.weight[j * columns.taps + q]);
  }
}

template <class T>
void resample(const ResampleArgs* a, const Run* run) {
  const T* in = static_cast<const T*>(a->in);
  int64_t current = -1;
  double total = 0;
  each_tap(*a, static_cast<char*>(run->scratch), [&](int64_t o, int64_t i, double weight) {
    total = (o == current ? total : 0) + weight * in[i];
    current = o;
    static_cast<T*>(a->out)[o] = static_cast<T>(total);
  });
}
template <class T>
void resample_grad(const ResampleArgs* a, const Run* run) {
  T* dx = static_cast<T*>(a->out);
  for (int64_t i = 0; i < a->planes * a->rows.size * a->columns.size; ++i) dx[i] = 0;
  each_tap(*a, static_cast<char*>(run->scratch), [&](int64_t o, int64_t i, double weight) {
    dx[i] = static_cast<T>(dx[i] + weight * static_cast<const T*>(a->in)[o]);
  });
}

template <class T>
void grid_sample(const GridSampleArgs* a, const Run*) {
  for (int64_t p = 0; p < a->batch * a->places; ++p) sample_place<T, double>(*a, p);
}
template <class T>
void grid_sample_input_grad(const GridSampleArgs* a, const Run*) {
  for (int64_t plane = 0; plane < a->batch * a->channels; ++plane) spread_plane<T, double>(*a, plane);
}
template <class T>
void grid_sample_grid_grad(const GridSampleArgs* a, const Run*) {
  for (int64_t p = 0; p < a->batch * a->places; ++p) grid_gradient<T, double>(*a, p);
}

template <class T>
void nms(const NmsArgs* a, const Run* run) {
  const T* boxes = static_cast<const T*>(a->boxes);
  const auto valid = [&](int64_t i) { return a->order[i] >= 0 && a->order[i] < a->count; };
  for (int64_t i = 0; i < a->count; ++i) {
    a->keep[i] = 1;
    if (!valid(i)) {
      run->report(run, i, a->order[i], 0, a->count);
      a->keep[i] = 0;
    }
    for (int64_t j = 0; j < i && a->keep[i]; ++j) {
      if (!a->keep[j] || (a->groups && a->groups[a->order[i]] != a->groups[a->order[j]])) continue;
      const T *p = boxes + 4 * a->order[j], *q = boxes + 4 * a->order[i];
      const T left = p[0] > q[0] ? p[0] : q[0], right = p[2] < q[2] ? p[2] : q[2];
      const T top = p[1] > q[1] ? p[1] : q[1], bottom = p[3] < q[3] ? p[3] : q[3];
      const T both = (right > left ? right - left : T(0)) * (bottom > top ? bottom - top : T(0));
      const T area = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both;
      if (both / area > static_cast<T>(a->threshold)) a->keep[i] = 0;
    }
  }
}

template <class T>
void roi_align(const RoiArgs* a, const Run* run) {
  check_boxes<T>(*a, run);
  for (int64_t k = 0; k < a->count; ++k) align_box<T, double>(*a, k);
}
template <class T>
void roi_align_grad(const RoiArgs* a, const Run* run) {
  check_boxes<T>(*a, run);
  for (int64_t plane = 0; plane < a->batch * a->channels; ++plane) align_gradient<T, double>(*a, plane);
}
template <class T>
void roi_pool(const RoiArgs* a, const Run* run) {
  check_boxes<T>(*a, run);
  for (int64_t k = 0; k < a->count; ++k) pool_box<T>(*a, k);
}
template <class T>
void roi_pool_grad(const RoiArgs* a, const Run* run) {
  check_boxes<T>(*a, run);
  for (int64_t plane = 0; plane < a->batch * a->channels; ++plane) pool_gradient<T>(*a, plane, run);
}

void pad(const PadArgs* a, const Run*) {
  const PadDim &d = a->dim[0], &h = a->dim[1], &w = a->dim[2];
  char* out = static_cast<char*>(a->out);
  for (int64_t plane = 0; plane < a->planes; ++plane)
    for (int64_t i = 0; i < padded_size(d); ++i)
      for (int64_t j = 0; j < padded_size(h); ++j)
        for (int64_t k = 0; k < padded_size(w); ++k, out += a->bytes) {
          const int64_t slice = pad_source(d, a->mode, i), row = pad_source(h, a->mode, j),
                        column = pad_source(w, a->mode, k);
          const int64_t from = ((plane * d.size + slice) * h.size + row) * w.size + column;
          const bool inside = slice >= 0 && row >= 0 && column >= 0;
          const char* in =
              static_cast<const char*>(inside ? a->in : a->value) + (inside ? from : 0) * a->bytes;
          for (int64_t b = 0; b < a->bytes; ++b) out[b] = in[b];
        }
}

template <class T>
void fill(VisionKernels* table, DType type, bool f32) {
  table->resample[type] = {resample<T>, f32 ? "resample_f32_ref" : "resample_f64_ref"};
  table->resample_grad[type] = {resample_grad<T>, f32 ? "resample_grad_f32_ref" : "resample_grad_f64_ref"};
  table->grid_sample[type] = {grid_sample<T>, f32 ? "grid_sample_f32_ref" : "grid_sample_f64_ref"};
  table->grid_sample_input_grad[type] = {
      grid_sample_input_grad<T>, f32 ? "grid_sample_input_grad_f32_ref" : "grid_sample_input_grad_f64_ref"};
  table->grid_sample_grid_grad[type] = {
      grid_sample_grid_grad<T>, f32 ? "grid_sample_grid_grad_f32_ref" : "grid_sample_grid_grad_f64_ref"};
  table->nms[type] = {nms<T>, f32 ? "nms_f32_ref" : "nms_f64_ref"};
  table->roi_align[type] = {roi_align<T>, f32 ? "roi_align_f32_ref" : "roi_align_f64_ref"};
  table->roi_align_grad[type] = {roi_align_grad<T>,
                                 f32 ? "roi_align_grad_f32_ref" : "roi_align_grad_f64_ref"};
  table->roi_pool[type] = {roi_pool<T>, f32 ? "roi_pool_f32_ref" : "roi_pool_f64_ref"};
  table->roi_pool_grad[type] = {roi_pool_grad<T>, f32 ? "roi_pool_grad_f32_ref" : "roi_pool_grad_f64_ref"};
}

}  // namespace

void fill_vision(VisionKernels* table) {
  table->pad = {pad, "pad_ref"};
  fill<float>(table, kF32, true);
  fill<double>(table, kF64, false);
}

}  // namespace markone::ref
