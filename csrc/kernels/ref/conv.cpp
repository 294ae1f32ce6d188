// Convolution and the gradient of its weights, in plain loops and double sums.
#include "contract/conv.h"

namespace markone::ref {
namespace {

// One output plane.
template <class T>
void plane(void* context, int64_t chunk, int) {
  const ConvArgs& args = *static_cast<const ConvArgs*>(context);
  const int64_t m = chunk % args.rows, g = chunk / args.rows % args.groups;
  const int64_t n = chunk / args.rows / args.groups;
  const T* x = static_cast<const T*>(args.x) + n * args.x_batch + g * args.x_group;
  const T* weight = static_cast<const T*>(args.weight) + g * args.w_group + m * args.w_row;
  T* y = static_cast<T*>(args.y) + n * args.y_batch + g * args.y_group + m * args.y_row;
  for (int64_t oh = 0; oh < args.h.out; ++oh) {
    for (int64_t ow = 0; ow < args.w.out; ++ow) {
      double sum = 0;
      for (int64_t c = 0; c < args.depth; ++c) {
        for (int64_t r = 0; r < args.h.taps; ++r) {
          const int64_t ih = oh * args.h.stride + r * args.h.dilation - args.h.pad;
          if (ih < 0 || ih >= args.h.in) continue;
          for (int64_t s = 0; s < args.w.taps; ++s) {
            const int64_t iw = ow * args.w.stride + s * args.w.dilation - args.w.pad;
            if (iw < 0 || iw >= args.w.in) continue;
            sum += static_cast<double>(x[c * args.x_channel + ih * args.x_h + iw * args.x_w]) *
                   static_cast<double>(weight[c * args.w_channel + r * args.w_h + s * args.w_w]);
          }
        }
      }
      if (args.bias) sum += static_cast<double>(static_cast<const T*>(args.bias)[g * args.rows + m]);
      y[oh * args.y_h + ow * args.y_w] = static_cast<T>(sum);
    }
  }
}

template <class T>
void conv(const ConvArgs* args, const Run* run) {
  ConvArgs copy = *args;
  run->parallel(run, args->batch * args->groups * args->rows, plane<T>, &copy);
}

// The weights of one output channel.
template <class T>
void filter(void* context, int64_t chunk, int) {
  const ConvWeightGradArgs& args = *static_cast<const ConvWeightGradArgs*>(context);
  const int64_t m = chunk % args.rows, g = chunk / args.rows;
  const T* x = static_cast<const T*>(args.x) + g * args.x_group;
  const T* gradient = static_cast<const T*>(args.gradient) + g * args.g_group + m * args.g_row;
  T* out = static_cast<T*>(args.weight) + chunk * args.depth * args.h.taps * args.w.taps;
  for (int64_t c = 0; c < args.depth; ++c) {
    for (int64_t r = 0; r < args.h.taps; ++r) {
      for (int64_t s = 0; s < args.w.taps; ++s) {
        double sum = 0;
        for (int64_t n = 0; n < args.batch; ++n) {
          for (int64_t oh = 0; oh < args.h.out; ++oh) {
            const int64_t ih = oh * args.h.stride + r * args.h.dilation - args.h.pad;
            if (ih < 0 || ih >= args.h.in) continue;
            for (int64_t ow = 0; ow < args.w.out; ++ow) {
              const int64_t iw = ow * args.w.stride + s * args.w.dilation - args.w.pad;
              if (iw < 0 || iw >= args.w.in) continue;
              sum += static_cast<double>(gradient[n * args.g_batch + oh * args.g_h + ow * args.g_w]) *
                     static_cast<double>(
                         x[n * args.x_batch + c * args.x_channel + ih * args.x_h + iw * args.x_w]);
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
  run->parallel(run, args->groups * args->rows, filter<T>, &copy);
}

}  // namespace

void fill_conv(ConvKernels* table) {
  table->conv_ref[kF32] = {conv<float>, "conv_f32_ref"};
  table->conv_ref[kF64] = {conv<double>, "conv_f64_ref"};
  table->conv_weight_grad_ref[kF32] = {weight_grad<float>, "conv_weight_grad_f32_ref"};
  table->conv_weight_grad_ref[kF64] = {weight_grad<double>, "conv_weight_grad_f64_ref"};
}

}  // namespace markone::ref
