// Bilinear resize, in plain loops over double.
#include "contract/vision.h"

namespace markone::ref {
namespace {

struct Source {
  int64_t low, high;
  double part;  // how much of `high`

  Source(int64_t i, int64_t size, int64_t out_size, bool align_corners) {
    double at = align_corners ? (out_size > 1 ? static_cast<double>(i) * (size - 1) / (out_size - 1) : 0.0)
                              : (i + 0.5) * size / out_size - 0.5;
    if (at < 0) at = 0;
    low = static_cast<int64_t>(at);
    if (low > size - 1) low = size - 1;
    high = low < size - 1 ? low + 1 : low;
    part = at - low;
  }
};

template <class T>
void resize(const ResizeArgs* a, const Run*) {
  for (int64_t o = 0; o < a->planes * a->out_h * a->out_w; ++o) {
    const Source r(o / a->out_w % a->out_h, a->h, a->out_h, a->align_corners);
    const Source c(o % a->out_w, a->w, a->out_w, a->align_corners);
    const T* in = static_cast<const T*>(a->in) + o / (a->out_w * a->out_h) * a->h * a->w;
    const double top = (1 - c.part) * in[r.low * a->w + c.low] + c.part * in[r.low * a->w + c.high];
    const double bottom = (1 - c.part) * in[r.high * a->w + c.low] + c.part * in[r.high * a->w + c.high];
    static_cast<T*>(a->out)[o] = static_cast<T>((1 - r.part) * top + r.part * bottom);
  }
}

template <class T>
void resize_grad(const ResizeArgs* a, const Run*) {
  T* dx = static_cast<T*>(a->out);
  for (int64_t i = 0; i < a->planes * a->h * a->w; ++i) dx[i] = 0;
  for (int64_t o = 0; o < a->planes * a->out_h * a->out_w; ++o) {
    const Source r(o / a->out_w % a->out_h, a->h, a->out_h, a->align_corners);
    const Source c(o % a->out_w, a->w, a->out_w, a->align_corners);
    T* plane = dx + o / (a->out_w * a->out_h) * a->h * a->w;
    const double g = static_cast<const T*>(a->in)[o];
    const auto add = [&](int64_t at, double weight) { plane[at] = static_cast<T>(plane[at] + weight * g); };
    add(r.low * a->w + c.low, (1 - r.part) * (1 - c.part));
    add(r.low * a->w + c.high, (1 - r.part) * c.part);
    add(r.high * a->w + c.low, r.part * (1 - c.part));
    add(r.high * a->w + c.high, r.part * c.part);
  }
}

}  // namespace

void fill_vision(VisionKernels* table) {
  table->resize_bilinear[kF32] = {resize<float>, "resize_bilinear_f32_ref"};
  table->resize_bilinear[kF64] = {resize<double>, "resize_bilinear_f64_ref"};
  table->resize_bilinear_grad[kF32] = {resize_grad<float>, "resize_bilinear_grad_f32_ref"};
  table->resize_bilinear_grad[kF64] = {resize_grad<double>, "resize_bilinear_grad_f64_ref"};
}

}  // namespace markone::ref
