// Convolution as a product of matrices whose right side is read where it lies, the gradient of its weights
// likewise; few output channels one by one. Unfold and fold.
#include "contract/conv.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/tile.cuh"

namespace markone::cuda {
namespace {

// Where output o of an axis meets the image at tap t, or -1 where that is a zero.
MO_SCALAR int64_t place(const ConvAxis& axis, int64_t o, int64_t t, int64_t spread) {
  const int64_t at = o * axis.stride + t * axis.dilation - axis.pad;
  if (at < 0 || at >= axis.in) return -1;
  return spread == 1 ? at : at % spread == 0 ? at / spread : -1;
}

// Three numbers of one, the last the fastest.
struct Triple {
  int64_t d, h, w;
};
MO_SCALAR Triple split(int64_t i, int64_t h, int64_t w) { return {i / (h * w), i / w % h, i % w}; }

MO_SCALAR int64_t taps_of(const ConvImage& image) { return image.d.taps * image.h.taps * image.w.taps; }
MO_SCALAR int64_t outputs_of(const ConvImage& image) { return image.d.out * image.h.out * image.w.out; }

// Rows are output channels of a group, columns outputs of an image, k the channels' taps. Items: group,
// image.
template <class T>
struct Forward {
  using Sum = T;
  ConvArgs args;
  int64_t m, n, k, items;
  bool a_deep, b_deep;

  __device__ T start(int64_t, int64_t, int64_t) const { return T(0); }
  __device__ T a(int64_t item, int64_t i, int64_t l) const {
    const ConvImage& image = args.image;
    const ConvStrides& at = args.weight_at;
    const int64_t taps = taps_of(image), g = item % image.groups;
    const Triple t = split(l % taps, image.h.taps, image.w.taps);
    return static_cast<const T*>(args.weight)[g * at.group + i * at.outer + l / taps * at.channel +
                                              t.d * at.d + t.h * at.h + t.w * at.w];
  }
  __device__ T b(int64_t item, int64_t l, int64_t j) const {
    const ConvImage& image = args.image;
    const int64_t taps = taps_of(image), g = item % image.groups, image_at = item / image.groups;
    const Triple t = split(l % taps, image.h.taps, image.w.taps), o = split(j, image.h.out, image.w.out);
    const int64_t d = place(image.d, o.d, t.d, 1), h = place(image.h, o.h, t.h, image.spread),
                  w = place(image.w, o.w, t.w, image.spread);
    if (d < 0 || h < 0 || w < 0) return T(0);
    return static_cast<const T*>(
        args.x)[image_at * image.x.outer + g * image.x.group + l / taps * image.x.channel + d * image.x.d +
                h * image.x.h + w * image.x.w];
  }
  __device__ void store(int64_t item, int64_t i, int64_t j, T sum) const {
    const ConvImage& image = args.image;
    const int64_t g = item % image.groups;
    const Triple o = split(j, image.h.out, image.w.out);
    if (args.bias) sum += static_cast<const T*>(args.bias)[g * image.rows + i];
    static_cast<T*>(
        args.y)[item / image.groups * args.y_at.outer + g * args.y_at.group + i * args.y_at.channel +
                o.d * args.y_at.d + o.h * args.y_at.h + o.w * args.y_at.w] = sum;
  }
};

// Tiles with so few rows would be idle: each output by a thread.
constexpr int64_t kFewRows = 8;

template <class T>
void conv(const ConvArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const Forward<T> p{
      *args, image.rows, outputs_of(image), image.depth * taps_of(image), image.batch * image.groups,
      true,  false};
  if (image.rows > kFewRows) return product(run, p);
  each(run, p.items * p.m * p.n, [=] __device__(int64_t e) {
    const int64_t j = e % p.n, i = e / p.n % p.m, item = e / p.n / p.m;
    T sum = T(0);
    for (int64_t l = 0; l < p.k; ++l) sum = multiply_add(p.a(item, i, l), p.b(item, l, j), sum);
    p.store(item, i, j, sum);
  });
}

// Rows are output channels, columns the taps of the input channels, k the outputs of all images. Items:
// groups.
template <class T>
struct WeightGrad {
  using Sum = T;
  ConvWeightGradArgs args;
  int64_t m, n, k, items;
  bool a_deep, b_deep;

  __device__ T start(int64_t, int64_t, int64_t) const { return T(0); }
  __device__ T a(int64_t g, int64_t i, int64_t l) const {
    const ConvImage& image = args.image;
    const ConvStrides& at = args.gradient_at;
    const int64_t outputs = outputs_of(image);
    const Triple o = split(l % outputs, image.h.out, image.w.out);
    return static_cast<const T*>(args.gradient)[l / outputs * at.outer + g * at.group + i * at.channel +
                                                o.d * at.d + o.h * at.h + o.w * at.w];
  }
  __device__ T b(int64_t g, int64_t l, int64_t j) const {
    const ConvImage& image = args.image;
    const int64_t outputs = outputs_of(image), taps = taps_of(image);
    const Triple o = split(l % outputs, image.h.out, image.w.out),
                 t = split(j % taps, image.h.taps, image.w.taps);
    const int64_t d = place(image.d, o.d, t.d, 1), h = place(image.h, o.h, t.h, 1),
                  w = place(image.w, o.w, t.w, 1);
    if (d < 0 || h < 0 || w < 0) return T(0);
    return static_cast<const T*>(
        args.x)[l / outputs * image.x.outer + g * image.x.group + j / taps * image.x.channel + d * image.x.d +
                h * image.x.h + w * image.x.w];
  }
  __device__ void store(int64_t g, int64_t i, int64_t j, T sum) const {
    static_cast<T*>(args.weight)[(g * m + i) * n + j] = sum;
  }
};

// One weight's sum by a team of threads, where tiles would be too few or too narrow to fill the device.
template <class T>
struct WeightLine {
  WeightGrad<T> p;
  template <class Team>
  __device__ void line(int64_t e) const {
    const int64_t j = e % p.n, i = e / p.n % p.m, g = e / p.n / p.m;
    double sum = 0;
    for (int64_t l = Team::rank(); l < p.k; l += Team::kSize)
      sum += static_cast<double>(p.a(g, i, l)) * p.b(g, l, j);
    sum = Team::sum(sum);
    if (Team::rank() == 0) p.store(g, i, j, static_cast<T>(sum));
  }
};
constexpr int64_t kFewWeights = 1 << 15;

template <class T>
void weight_grad(const ConvWeightGradArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const WeightGrad<T> p{
      *args, image.rows, image.depth * taps_of(image), image.batch * outputs_of(image), image.groups,
      true,  true};
  if (image.rows > kFewRows && p.m * p.n * p.items > kFewWeights) return product(run, p);
  each_line(run, p.items * p.m * p.n, p.k, 1, WeightLine<T>{p});
}

// ---- unfold and fold ----

template <class T>
void unfold(const UnfoldArgs* args, const Run* run) {
  const UnfoldArgs a = *args;
  const int64_t outputs = a.d.out * a.h.out * a.w.out, taps = a.d.taps * a.h.taps * a.w.taps;
  each(run, a.planes * taps * outputs, [=] __device__(int64_t i) {
    const Triple o = split(i % outputs, a.h.out, a.w.out), t = split(i / outputs % taps, a.h.taps, a.w.taps);
    const int64_t d = place(a.d, o.d, t.d, 1), h = place(a.h, o.h, t.h, 1), w = place(a.w, o.w, t.w, 1);
    const bool inside = d >= 0 && h >= 0 && w >= 0;
    const int64_t plane = i / outputs / taps;
    static_cast<T*>(a.to)[i] =
        inside ? static_cast<const T*>(a.from)[((plane * a.d.in + d) * a.h.in + h) * a.w.in + w] : T(0);
  });
}
// The output that meets input position `at` at tap t, or -1.
MO_SCALAR int64_t met(const ConvAxis& axis, int64_t at, int64_t t) {
  const int64_t from = at + axis.pad - t * axis.dilation;
  if (from < 0 || from % axis.stride != 0 || from / axis.stride >= axis.out) return -1;
  return from / axis.stride;
}
template <class T>
void fold(const UnfoldArgs* args, const Run* run) {
  const UnfoldArgs a = *args;
  const int64_t size = a.d.in * a.h.in * a.w.in;
  each(run, a.planes * size, [=] __device__(int64_t i) {
    const Triple at = split(i % size, a.h.in, a.w.in);
    T sum = T(0);
    for (int64_t q = 0; q < a.d.taps; ++q) {
      const int64_t d = met(a.d, at.d, q);
      if (d < 0) continue;
      for (int64_t r = 0; r < a.h.taps; ++r) {
        const int64_t h = met(a.h, at.h, r);
        if (h < 0) continue;
        for (int64_t s = 0; s < a.w.taps; ++s) {
          const int64_t w = met(a.w, at.w, s);
          if (w < 0) continue;
          const int64_t tap = ((i / size * a.d.taps + q) * a.h.taps + r) * a.w.taps + s;
          sum += static_cast<const T*>(a.from)[((tap * a.d.out + d) * a.h.out + h) * a.w.out + w];
        }
      }
    }
    static_cast<T*>(a.to)[i] = sum;
  });
}

}  // namespace

void fill_conv(ConvKernels* table) {
  MO_CUDA_FLOATS(conv_ref, conv, "conv_implicit")
  MO_CUDA_FLOATS(conv_weight_grad_ref, weight_grad, "conv_weight_grad_implicit")
  MO_CUDA_FLOATS(unfold, unfold, "unfold")
  MO_CUDA_FLOATS(fold, fold, "fold")
}

}  // namespace markone::cuda
