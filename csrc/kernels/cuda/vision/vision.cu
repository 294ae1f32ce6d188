// Resampling, sampling at given places, padding and boxes: a thread an output, a place, a box or a plane.
#include "contract/vision.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

// After what says how functions are marked for the device.
#include "kernels/common/grid.h"
#include "kernels/common/pad.h"
#include "kernels/common/resample.h"
#include "kernels/common/roi.h"

namespace markone::cuda {
namespace {

// ---- resampling ----

struct BothTaps {
  Taps1<double> rows, columns;
};
BothTaps make_taps(const ResampleArgs& a, const Run* run) {
  char* scratch = static_cast<char*>(run->scratch);
  const BothTaps taps{{a.rows, scratch}, {a.columns, scratch + Taps1<double>::bytes(a.rows)}};
  const ResampleDim rows = a.rows, columns = a.columns;
  each(run, rows.out, [=] __device__(int64_t o) { fill_tap(rows, taps.rows, o); });
  each(run, columns.out, [=] __device__(int64_t o) { fill_tap(columns, taps.columns, o); });
  return taps;
}

template <class T>
void resample(const ResampleArgs* args, const Run* run) {
  const ResampleArgs a = *args;
  const BothTaps t = make_taps(a, run);
  each(run, a.planes * a.rows.out * a.columns.out, [=] __device__(int64_t o) {
    const int64_t i = o / a.columns.out % a.rows.out, j = o % a.columns.out;
    const T* in = static_cast<const T*>(a.in) +
                  (o / (a.rows.out * a.columns.out) * a.rows.size + t.rows.first[i]) * a.columns.size +
                  t.columns.first[j];
    double total = 0;
    for (int64_t p = 0; p < t.rows.count[i]; ++p) {
      for (int64_t q = 0; q < t.columns.count[j]; ++q)
        total += t.rows.weight[i * t.rows.taps + p] * t.columns.weight[j * t.columns.taps + q] *
                 in[p * a.columns.size + q];
    }
    static_cast<T*>(a.out)[o] = static_cast<T>(total);
  });
}

// The first output whose taps may reach place `at`: their first places never fall.
MO_SCALAR int64_t first_reaching(const Taps1<double>& t, int64_t out, int64_t at) {
  int64_t low = 0, high = out;
  while (low < high) {
    const int64_t half = (low + high) / 2;
    if (t.first[half] + t.taps <= at) {
      low = half + 1;
    } else {
      high = half;
    }
  }
  return low;
}
template <class T>
void resample_grad(const ResampleArgs* args, const Run* run) {
  const ResampleArgs a = *args;
  const BothTaps t = make_taps(a, run);
  each(run, a.planes * a.rows.size * a.columns.size, [=] __device__(int64_t e) {
    const int64_t r = e / a.columns.size % a.rows.size, c = e % a.columns.size;
    const T* g =
        static_cast<const T*>(a.in) + e / (a.rows.size * a.columns.size) * a.rows.out * a.columns.out;
    const int64_t left = first_reaching(t.columns, a.columns.out, c);
    double total = 0;
    for (int64_t i = first_reaching(t.rows, a.rows.out, r); i < a.rows.out && t.rows.first[i] <= r; ++i) {
      if (r - t.rows.first[i] >= t.rows.count[i]) continue;
      const double weight = t.rows.weight[i * t.rows.taps + r - t.rows.first[i]];
      for (int64_t j = left; j < a.columns.out && t.columns.first[j] <= c; ++j) {
        if (c - t.columns.first[j] >= t.columns.count[j]) continue;
        total +=
            weight * t.columns.weight[j * t.columns.taps + c - t.columns.first[j]] * g[i * a.columns.out + j];
      }
    }
    static_cast<T*>(a.out)[e] = static_cast<T>(total);
  });
}

// ---- sampling at places ----

template <class T>
void grid_sample(const GridSampleArgs* args, const Run* run) {
  const GridSampleArgs a = *args;
  each(run, a.batch * a.places, [=] __device__(int64_t p) { sample_place<T, double>(a, p); });
}
template <class T>
void grid_sample_input_grad(const GridSampleArgs* args, const Run* run) {
  const GridSampleArgs a = *args;
  each(run, a.batch * a.channels, [=] __device__(int64_t plane) { spread_plane<T, double>(a, plane); });
}
template <class T>
void grid_sample_grid_grad(const GridSampleArgs* args, const Run* run) {
  const GridSampleArgs a = *args;
  each(run, a.batch * a.places, [=] __device__(int64_t p) { grid_gradient<T, double>(a, p); });
}

// ---- boxes ----

// A box once kept strikes out those behind it: one block goes through them in order.
template <class T>
struct Suppress {
  NmsArgs a;
  Reporter report;
  template <class Team>
  __device__ void line(int64_t) const {
    const T* boxes = static_cast<const T*>(a.boxes);
    for (int64_t i = Team::rank(); i < a.count; i += Team::kSize) {
      const bool valid = a.order[i] >= 0 && a.order[i] < a.count;
      if (!valid) report(i, a.order[i], 0, a.count);
      a.keep[i] = valid;
    }
    Team::meet();
    for (int64_t i = 0; i < a.count; ++i) {
      const bool kept = a.keep[i];
      for (int64_t j = i + 1 + Team::rank(); kept && j < a.count; j += Team::kSize) {
        if (!a.keep[j] || (a.groups && a.groups[a.order[i]] != a.groups[a.order[j]])) continue;
        const T *p = boxes + 4 * a.order[i], *q = boxes + 4 * a.order[j];
        const T left = p[0] > q[0] ? p[0] : q[0], right = p[2] < q[2] ? p[2] : q[2];
        const T top = p[1] > q[1] ? p[1] : q[1], bottom = p[3] < q[3] ? p[3] : q[3];
        const T both = (right > left ? right - left : T(0)) * (bottom > top ? bottom - top : T(0));
        const T area = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both;
        if (both / area > static_cast<T>(a.threshold)) a.keep[j] = 0;
      }
      Team::meet();
    }
  }
};
template <class T>
void nms(const NmsArgs* args, const Run* run) {
  each_line(run, 1, INT64_MAX, 1, Suppress<T>{*args, reporter(run)});
}

template <class T>
void check_images(const RoiArgs& args, const Run* run) {
  const RoiArgs a = args;
  const Reporter report = reporter(run);
  each(run, a.count, [=] __device__(int64_t k) {
    if (image_of<T>(a, k) >= 0) return;
    const T image = roi_box<T>(a, k)[0];
    report(5 * k, image >= 0 && image < 1e9 ? static_cast<int64_t>(image) : -1, 0, a.batch);
  });
}
template <class T>
void roi_align(const RoiArgs* args, const Run* run) {
  const RoiArgs a = *args;
  check_images<T>(a, run);
  each(run, a.count, [=] __device__(int64_t k) { align_box<T, double>(a, k); });
}
template <class T>
void roi_align_grad(const RoiArgs* args, const Run* run) {
  const RoiArgs a = *args;
  check_images<T>(a, run);
  each(run, a.batch * a.channels, [=] __device__(int64_t plane) { align_gradient<T, double>(a, plane); });
}
template <class T>
void roi_pool(const RoiArgs* args, const Run* run) {
  const RoiArgs a = *args;
  check_images<T>(a, run);
  each(run, a.count, [=] __device__(int64_t k) { pool_box<T>(a, k); });
}
template <class T>
void roi_pool_grad(const RoiArgs* args, const Run* run) {
  const RoiArgs a = *args;
  const Reporter report = reporter(run);
  check_images<T>(a, run);
  each(run, a.batch * a.channels, [=] __device__(int64_t plane) {
    T* dx = static_cast<T*>(a.out) + plane * a.h * a.w;
    for (int64_t i = 0; i < a.h * a.w; ++i) dx[i] = T(0);
    for (int64_t k = 0; k < a.count; ++k) {
      if (image_of<T>(a, k) != plane / a.channels) continue;
      const int64_t first = (k * a.channels + plane % a.channels) * a.out_h * a.out_w;
      for (int64_t o = first; o < first + a.out_h * a.out_w; ++o) {
        const int64_t at = a.indices[o];
        if (at >= 0 && at < a.h * a.w) {
          dx[at] += static_cast<const T*>(a.g)[o];
        } else if (at != -1) {
          report(o, at, 0, a.h * a.w);
        }
      }
    }
  });
}

// ---- padding ----

template <class T>
void pad_as(const PadArgs& args, const Run* run) {
  const PadArgs a = args;
  const int64_t d_out = padded_size(a.dim[0]), h_out = padded_size(a.dim[1]), w_out = padded_size(a.dim[2]);
  each(run, a.planes * d_out * h_out * w_out, [=] __device__(int64_t o) {
    const int64_t d = pad_source(a.dim[0], a.mode, o / (h_out * w_out) % d_out),
                  h = pad_source(a.dim[1], a.mode, o / w_out % h_out),
                  w = pad_source(a.dim[2], a.mode, o % w_out);
    const int64_t plane = o / (d_out * h_out * w_out);
    static_cast<T*>(a.out)[o] =
        d >= 0 && h >= 0 && w >= 0
            ? static_cast<const T*>(
                  a.in)[((plane * a.dim[0].size + d) * a.dim[1].size + h) * a.dim[2].size + w]
            : *static_cast<const T*>(a.value);
  });
}
void pad(const PadArgs* args, const Run* run) {
  switch (args->bytes) {
    case 1:
      return pad_as<uint8_t>(*args, run);
    case 2:
      return pad_as<uint16_t>(*args, run);
    case 4:
      return pad_as<uint32_t>(*args, run);
    default:
      return pad_as<uint64_t>(*args, run);
  }
}

}  // namespace

void fill_vision(VisionKernels* table) {
  table->pad = {pad, "pad_cuda"};
  MO_CUDA_FLOATS(resample, resample, "resample")
  MO_CUDA_FLOATS(resample_grad, resample_grad, "resample_grad")
  MO_CUDA_FLOATS(grid_sample, grid_sample, "grid_sample")
  MO_CUDA_FLOATS(grid_sample_input_grad, grid_sample_input_grad, "grid_sample_input_grad")
  MO_CUDA_FLOATS(grid_sample_grid_grad, grid_sample_grid_grad, "grid_sample_grid_grad")
  MO_CUDA_FLOATS(nms, nms, "nms")
  MO_CUDA_FLOATS(roi_align, roi_align, "roi_align")
  MO_CUDA_FLOATS(roi_align_grad, roi_align_grad, "roi_align_grad")
  MO_CUDA_FLOATS(roi_pool, roi_pool, "roi_pool")
  MO_CUDA_FLOATS(roi_pool_grad, roi_pool_grad, "roi_pool_grad")
}

}  // namespace markone::cuda
