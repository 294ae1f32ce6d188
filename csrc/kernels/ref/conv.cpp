// Convolution, the gradient of its weights, unfold and fold, in plain loops and double sums.
#include "contract/conv.h"

namespace markone::ref {
namespace {

// Where output o of an axis meets the image at tap t, or -1 outside.
int64_t place(const ConvAxis& axis, int64_t o, int64_t t) {
  const int64_t at = o * axis.stride + t * axis.dilation - axis.pad;
  return at >= 0 && at < axis.in ? at : -1;
}

// f(position in x, position in the weights) for each tap of one output that lies inside the image.
template <class F>
void for_taps(const ConvImage& image, const ConvStrides& weight, int64_t od, int64_t oh, int64_t ow,
              const F& f) {
  for (int64_t c = 0; c < image.depth; ++c) {
    for (int64_t q = 0; q < image.d.taps; ++q) {
      const int64_t id = place(image.d, od, q);
      if (id < 0) continue;
      for (int64_t r = 0; r < image.h.taps; ++r) {
        const int64_t ih = place(image.h, oh, r);
        if (ih < 0) continue;
        for (int64_t s = 0; s < image.w.taps; ++s) {
          const int64_t iw = place(image.w, ow, s);
          if (iw < 0) continue;
          f(c * image.x.channel + id * image.x.d + ih * image.x.h + iw * image.x.w,
            c * weight.channel + q * weight.d + r * weight.h + s * weight.w);
        }
      }
    }
  }
}

// One output channel of one image.
template <class T>
void plane(void* context, int64_t chunk, int) {
  const ConvArgs& args = *static_cast<const ConvArgs*>(context);
  const ConvImage& image = args.image;
  const int64_t m = chunk % image.rows, g = chunk / image.rows % image.groups;
  const int64_t n = chunk / image.rows / image.groups;
  const T* x = static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group;
  const T* weight = static_cast<const T*>(args.weight) + g * args.weight_at.group + m * args.weight_at.outer;
  T* y = static_cast<T*>(args.y) + n * args.y_at.outer + g * args.y_at.group + m * args.y_at.channel;
  for (int64_t od = 0; od < image.d.out; ++od) {
    for (int64_t oh = 0; oh < image.h.out; ++oh) {
      for (int64_t ow = 0; ow < image.w.out; ++ow) {
        double sum = 0;
        for_taps(image, args.weight_at, od, oh, ow, [&](int64_t at, int64_t tap) {
          sum += static_cast<double>(x[at]) * static_cast<double>(weight[tap]);
        });
        if (args.bias) sum += static_cast<double>(static_cast<const T*>(args.bias)[g * image.rows + m]);
        y[od * args.y_at.d + oh * args.y_at.h + ow * args.y_at.w] = static_cast<T>(sum);
      }
    }
  }
}

template <class T>
void conv(const ConvArgs* args, const Run* run) {
  ConvArgs copy = *args;
  run->parallel(run, args->image.batch * args->image.groups * args->image.rows, plane<T>, &copy);
}

// The weights between one output channel and one input channel of its group.
template <class T>
void filter(void* context, int64_t chunk, int) {
  const ConvWeightGradArgs& args = *static_cast<const ConvWeightGradArgs*>(context);
  const ConvImage& image = args.image;
  const ConvStrides& at = args.gradient_at;
  const int64_t c = chunk % image.depth, m = chunk / image.depth % image.rows;
  const int64_t g = chunk / image.depth / image.rows;
  const T* x = static_cast<const T*>(args.x) + g * image.x.group + c * image.x.channel;
  const T* gradient = static_cast<const T*>(args.gradient) + g * at.group + m * at.channel;
  T* out = static_cast<T*>(args.weight) + chunk * image.d.taps * image.h.taps * image.w.taps;
  for (int64_t q = 0; q < image.d.taps; ++q) {
    for (int64_t r = 0; r < image.h.taps; ++r) {
      for (int64_t s = 0; s < image.w.taps; ++s) {
        double sum = 0;
        for (int64_t n = 0; n < image.batch; ++n) {
          for (int64_t od = 0; od < image.d.out; ++od) {
            const int64_t id = place(image.d, od, q);
            if (id < 0) continue;
            for (int64_t oh = 0; oh < image.h.out; ++oh) {
              const int64_t ih = place(image.h, oh, r);
              if (ih < 0) continue;
              for (int64_t ow = 0; ow < image.w.out; ++ow) {
                const int64_t iw = place(image.w, ow, s);
                if (iw < 0) continue;
                sum += static_cast<double>(gradient[n * at.outer + od * at.d + oh * at.h + ow * at.w]) *
                       static_cast<double>(
                           x[n * image.x.outer + id * image.x.d + ih * image.x.h + iw * image.x.w]);
              }
            }
          }
        }
        *out++ = static_cast<T>(sum);
      }
    }
  }
}

template <class T>
void weight_grad(const ConvWeightGradArgs* args, const Run* run) {
  ConvWeightGradArgs copy = *args;
  run->parallel(run, args->image.groups * args->image.rows * args->image.depth, filter<T>, &copy);
}

// f(place in the columns, place in the image or -1) for every column of one plane, tap after tap.
template <class F>
void for_columns(const UnfoldArgs& a, const F& f) {
  int64_t column = 0;
  for (int64_t q = 0; q < a.d.taps; ++q) {
    for (int64_t r = 0; r < a.h.taps; ++r) {
      for (int64_t s = 0; s < a.w.taps; ++s) {
        for (int64_t od = 0; od < a.d.out; ++od) {
          for (int64_t oh = 0; oh < a.h.out; ++oh) {
            for (int64_t ow = 0; ow < a.w.out; ++ow, ++column) {
              const int64_t id = place(a.d, od, q), ih = place(a.h, oh, r), iw = place(a.w, ow, s);
              f(column, id < 0 || ih < 0 || iw < 0 ? -1 : (id * a.h.in + ih) * a.w.in + iw);
            }
          }
        }
      }
    }
  }
}

int64_t columns_of(const UnfoldArgs& a) {
  return a.d.taps * a.h.taps * a.w.taps * a.d.out * a.h.out * a.w.out;
}

template <class T>
void unfold_plane(void* context, int64_t p, int) {
  const UnfoldArgs& a = *static_cast<const UnfoldArgs*>(context);
  const T* x = static_cast<const T*>(a.from) + p * a.d.in * a.h.in * a.w.in;
  T* columns = static_cast<T*>(a.to) + p * columns_of(a);
  for_columns(a, [&](int64_t column, int64_t at) { columns[column] = at < 0 ? T(0) : x[at]; });
}

template <class T>
void fold_plane(void* context, int64_t p, int) {
  const UnfoldArgs& a = *static_cast<const UnfoldArgs*>(context);
  const int64_t size = a.d.in * a.h.in * a.w.in;
  const T* columns = static_cast<const T*>(a.from) + p * columns_of(a);
  T* x = static_cast<T*>(a.to) + p * size;
  for (int64_t i = 0; i < size; ++i) x[i] = T(0);
  for_columns(a, [&](int64_t column, int64_t at) {
    if (at >= 0) x[at] += columns[column];
  });
}

template <class T, ChunkFn kPlane>
void each_plane(const UnfoldArgs* args, const Run* run) {
  UnfoldArgs copy = *args;
  run->parallel(run, args->planes, kPlane, &copy);
}

}  // namespace

void fill_conv(ConvKernels* table) {
  table->conv_ref[kF32] = {conv<float>, "conv_f32_ref"};
  table->conv_ref[kF64] = {conv<double>, "conv_f64_ref"};
  table->conv_weight_grad_ref[kF32] = {weight_grad<float>, "conv_weight_grad_f32_ref"};
  table->conv_weight_grad_ref[kF64] = {weight_grad<double>, "conv_weight_grad_f64_ref"};
  table->unfold[kF32] = {each_plane<float, unfold_plane<float>>, "unfold_f32_ref"};
  table->unfold[kF64] = {each_plane<double, unfold_plane<double>>, "unfold_f64_ref"};
  table->fold[kF32] = {each_plane<float, fold_plane<float>>, "fold_f32_ref"};
  table->fold[kF64] = {each_plane<double, fold_plane<double>>, "fold_f64_ref"};
}

}  // namespace markone::ref
