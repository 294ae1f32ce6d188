#include "ops/conv.h"

#include <numeric>

#include "contract/conv.h"
#include "ops/conv_tiling.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/plan.h"

namespace markone {
namespace {

// No batch: the same implementation serves any number of images.
struct Problem {
  ConvAxis h, w;
  int64_t groups, rows, depth, dtype;
};
constexpr Implementation<Problem, ConvArgs> kForward[] = {
    {"implicit", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& {
       return t.conv_implicit[p.dtype];
     },
     nullptr},
    {"reference", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& { return t.conv_ref[p.dtype]; },
     nullptr},
};
constexpr Implementation<Problem, ConvWeightGradArgs> kWeightGrad[] = {
    {"implicit", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvWeightGradArgs>& {
       return t.conv_weight_grad_implicit[p.dtype];
     },
     nullptr},
    {"reference", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvWeightGradArgs>& {
       return t.conv_weight_grad_ref[p.dtype];
     },
     nullptr},
};
using ForwardChooser = Chooser<Problem, ConvArgs, std::size(kForward)>;
using WeightGradChooser = Chooser<Problem, ConvWeightGradArgs, std::size(kWeightGrad)>;
ForwardChooser& forward_chooser() {
  static auto* chooser = new ForwardChooser("conv2d", kForward);
  return *chooser;
}
ForwardChooser& input_grad_chooser() {
  static auto* chooser = new ForwardChooser("conv2d_input_grad", kForward);
  return *chooser;
}
WeightGradChooser& weight_grad_chooser() {
  static auto* chooser = new WeightGradChooser("conv2d_weight_grad", kWeightGrad);
  return *chooser;
}
// The lists are known before the first call.
[[maybe_unused]] const bool registered =
    (forward_chooser(), input_grad_chooser(), weight_grad_chooser(), true);

// One number for both axes, or one each.
void check_pair(const char* op, const char* name, const Dims& pair, int64_t least, int64_t (&out)[2]) {
  MO_CHECK(pair.size() == 1 || pair.size() == 2, op, name, " must be one number or two, got ", pair);
  for (int i = 0; i < 2; ++i) {
    out[i] = pair[pair.size() == 1 ? 0 : i];
    MO_CHECK(out[i] >= least, op, name, " must be at least ", least, ", got ", pair);
  }
}

struct Geometry {
  ConvAxis axis[2];
  int64_t batch, channels, out_channels, groups;
  Dims out_shape;
};

Geometry check(const char* op, const Dims& x, const Dims& weight, const ConvParams& params) {
  MO_CHECK(x.size() == 4, op, "input must be [N, C, H, W], got shape ", x);
  MO_CHECK(weight.size() == 4, op, "weight must be [O, C / groups, R, S], got shape ", weight);
  checked_numel(op, x);
  checked_numel(op, weight);
  int64_t stride[2], padding[2], dilation[2];
  check_pair(op, "stride", params.stride, 1, stride);
  check_pair(op, "padding", params.padding, 0, padding);
  check_pair(op, "dilation", params.dilation, 1, dilation);
  MO_CHECK(params.groups >= 1, op, "groups must be at least 1, got ", params.groups);
  Geometry out{{}, x[0], x[1], weight[0], params.groups, {}};
  MO_CHECK(x[1] == checked_mul(op, weight[1], params.groups), op, "input has ", x[1], " channels (shape ", x,
           ") but weight wants ", weight[1] * params.groups, " (shape ", weight, ", groups=", params.groups,
           ")");
  MO_CHECK(weight[0] % params.groups == 0, op, "weight has ", weight[0], " output channels (shape ", weight,
           "), not a multiple of groups=", params.groups);
  out.out_shape = {x[0], weight[0], 0, 0};
  for (int i = 0; i < 2; ++i) {
    const char* side = i == 0 ? "height" : "width";
    const int64_t taps = weight[2 + i], in = x[2 + i];
    MO_CHECK(taps >= 1, op, "kernel ", side, " must be at least 1, got weight of shape ", weight);
    const int64_t reach = checked_add(op, checked_mul(op, dilation[i], taps - 1), 1);
    const int64_t padded = checked_add(op, in, checked_mul(op, padding[i], 2));
    MO_CHECK(reach <= padded, op, "kernel ", side, " ", taps, " with dilation ", dilation[i],
             " reaches over ", reach, " but the input with padding ", padding[i], " has ", padded,
             " (input shape ", x, ", weight shape ", weight, ")");
    const int64_t size = (padded - reach) / stride[i] + 1;
    out.axis[i] = {size, in, taps, stride[i], dilation[i], padding[i]};
    out.out_shape[2 + i] = size;
  }
  checked_numel(op, out.out_shape);
  return out;
}

void check_type(const char* op, const char* a_name, const Array& a, const char* b_name, const Array& b) {
  MO_CHECK_TYPE(a.dtype() == b.dtype(), op, a_name, " is ", name_of(a.dtype()), " but ", b_name, " is ",
                name_of(b.dtype()), ", both must have one type");
  MO_CHECK_KIND(ErrorKind::kNotImplemented, is_floating(a.dtype()), op, "is not defined for ",
                name_of(a.dtype()));
}

void check_gradient(const char* op, const Array& g, const Geometry& geometry) {
  MO_CHECK(g.shape() == geometry.out_shape, op, "the gradient has shape ", g.shape(), " but the result has ",
           geometry.out_shape);
}

double flops_of(const Geometry& geometry) {
  double flops = 2.0 * static_cast<double>(geometry.batch) * static_cast<double>(geometry.out_channels) *
                 static_cast<double>(geometry.channels / geometry.groups);
  for (const ConvAxis& axis : geometry.axis)
    flops *= static_cast<double>(axis.out) * static_cast<double>(axis.taps);
  return flops;
}

void submit(const char* op, ForwardChooser& chooser, ConvArgs args, const Array& x, const Array& weight,
            const Array& bias, const Array& y, double flops) {
  const auto choice = chooser.choose(Problem{args.h, args.w, args.groups, args.rows, args.depth, x.dtype()});
  const int64_t scratch = plan_tiling(&args, size_of(x.dtype()), num_threads());
  Launch<ConvArgs> call(op, choice.kernel, choice.plan);
  call.args = args;
  call.read(&ConvArgs::x, x);
  call.read(&ConvArgs::weight, weight);
  call.write(&ConvArgs::y, y);
  if (bias) call.read(&ConvArgs::bias, bias);
  call.submit(flops, scratch);
}

}  // namespace

Array conv2d(const Array& x_in, const Array& weight_in, const Array& bias, const ConvParams& params) {
  const char* op = "conv2d";
  const Geometry geometry = check(op, x_in.shape(), weight_in.shape(), params);
  check_type(op, "input", x_in, "weight", weight_in);
  if (bias) {
    check_type(op, "input", x_in, "bias", bias);
    MO_CHECK(bias.ndim() == 1 && bias.size(0) == geometry.out_channels, op, "bias must be [",
             geometry.out_channels, "], got shape ", bias.shape());
  }
  const DType dtype = product_type(op, x_in.dtype());
  const Array x = cast(op, x_in, dtype), weight = cast(op, weight_in, dtype);
  const Array y = Array::empty(op, geometry.out_shape, dtype);
  if (y.numel() > 0) {
    ConvArgs args{};
    args.batch = geometry.batch;
    args.groups = geometry.groups;
    args.rows = geometry.out_channels / geometry.groups;
    args.depth = geometry.channels / geometry.groups;
    args.h = geometry.axis[0];
    args.w = geometry.axis[1];
    args.x_batch = x.stride(0);
    args.x_channel = x.stride(1);
    args.x_group = args.depth * x.stride(1);
    args.x_h = x.stride(2);
    args.x_w = x.stride(3);
    args.w_row = weight.stride(0);
    args.w_group = args.rows * weight.stride(0);
    args.w_channel = weight.stride(1);
    args.w_h = weight.stride(2);
    args.w_w = weight.stride(3);
    args.y_batch = y.stride(0);
    args.y_row = y.stride(1);
    args.y_group = args.rows * y.stride(1);
    args.y_h = y.stride(2);
    args.y_w = y.stride(3);
    submit(op, forward_chooser(), args, x, weight, bias ? prepared(op, bias, dtype) : Array(), y,
           flops_of(geometry));
  }
  return cast(op, y, x_in.dtype());
}

namespace {

// The outputs p, p + stride, .. of one axis of the input gradient: a correlation of the gradient at stride 1
// with every period-th tap, read backwards.
struct Phase {
  ConvAxis axis;
  int64_t first;          // p
  int64_t tap, tap_step;  // the first tap it reads, and how far the next ones are
};

int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

// Calls f for each phase that has a tap. Returns how many outputs p < min(stride, in) have one.
template <class F>
int64_t for_phases(const ConvAxis& axis, const F& f) {
  const int64_t common = std::gcd(axis.stride, axis.dilation), period = axis.stride / common;
  int64_t covered = 0;
  for (int64_t r = 0; r < std::min(axis.taps, period); ++r) {
    const int64_t p = modulo(r * axis.dilation - axis.pad, axis.stride);
    if (p >= axis.in) continue;
    ++covered;
    const int64_t taps = (axis.taps - 1 - r) / period + 1, last = r + (taps - 1) * period;
    // Output p of the last tap reads the gradient here; exact by the choice of p.
    const int64_t lowest = (p + axis.pad - last * axis.dilation) / axis.stride;
    f(Phase{{(axis.in - 1 - p) / axis.stride + 1, axis.out, taps, 1, axis.dilation / common, -lowest},
            p,
            last,
            -period});
  }
  return covered;
}

}  // namespace

Array conv2d_input_grad(const Array& g_in, const Array& weight_in, const Dims& input_shape,
                        const ConvParams& params) {
  const char* op = "conv2d_input_grad";
  const Geometry geometry = check(op, input_shape, weight_in.shape(), params);
  check_gradient(op, g_in, geometry);
  check_type(op, "gradient", g_in, "weight", weight_in);
  const DType dtype = product_type(op, g_in.dtype());
  const Array g = cast(op, g_in, dtype), weight = cast(op, weight_in, dtype);
  const Array x = Array::empty(op, input_shape, dtype);
  if (x.numel() == 0) return cast(op, x, g_in.dtype());
  ConvArgs args{};
  args.batch = geometry.batch;
  args.groups = geometry.groups;
  args.rows = geometry.channels / geometry.groups;
  args.depth = geometry.out_channels / geometry.groups;
  args.x_batch = g.stride(0);
  args.x_channel = g.stride(1);
  args.x_group = args.depth * g.stride(1);
  args.x_h = g.stride(2);
  args.x_w = g.stride(3);
  args.w_channel = weight.stride(0);
  args.w_group = args.depth * weight.stride(0);
  args.w_row = weight.stride(1);
  args.y_batch = x.stride(0);
  args.y_row = x.stride(1);
  args.y_group = args.rows * x.stride(1);
  const auto &h = geometry.axis[0], &w = geometry.axis[1];
  const auto nothing = [](const Phase&) {};
  const int64_t covered_h = for_phases(h, nothing), covered_w = for_phases(w, nothing);
  // Inputs that no output reads.
  if (covered_h < std::min(h.stride, h.in) || covered_w < std::min(w.stride, w.in)) fill(op, x, {0.0, 0});
  const double flops = flops_of(geometry) / static_cast<double>(std::max<int64_t>(1, covered_h * covered_w));
  for_phases(h, [&](const Phase& ph) {
    for_phases(w, [&](const Phase& pw) {
      args.h = ph.axis;
      args.w = pw.axis;
      // Of a single one the stride is never used, and the product may not fit.
      args.w_h = ph.axis.taps > 1 ? ph.tap_step * weight.stride(2) : 0;
      args.w_w = pw.axis.taps > 1 ? pw.tap_step * weight.stride(3) : 0;
      args.y_h = ph.axis.out > 1 ? h.stride * x.stride(2) : 0;
      args.y_w = pw.axis.out > 1 ? w.stride * x.stride(3) : 1;
      const Dims taps_shape{weight.size(0), weight.size(1), ph.axis.taps, pw.axis.taps};
      const Dims taps_strides{weight.stride(0), weight.stride(1), args.w_h, args.w_w};
      const Array taps = weight.view_as(
          taps_shape, taps_strides, weight.offset() + ph.tap * weight.stride(2) + pw.tap * weight.stride(3));
      const Dims part_shape{x.size(0), x.size(1), ph.axis.out, pw.axis.out};
      const Dims part_strides{x.stride(0), x.stride(1), args.y_h, args.y_w};
      const Array part =
          x.view_as(part_shape, part_strides, x.offset() + ph.first * x.stride(2) + pw.first * x.stride(3));
      submit(op, input_grad_chooser(), args, g, taps, {}, part, flops);
    });
  });
  return cast(op, x, g_in.dtype());
}

Array conv2d_weight_grad(const Array& g_in, const Array& x_in, const Dims& weight_shape,
                         const ConvParams& params) {
  const char* op = "conv2d_weight_grad";
  const Geometry geometry = check(op, x_in.shape(), weight_shape, params);
  check_gradient(op, g_in, geometry);
  check_type(op, "gradient", g_in, "input", x_in);
  const DType dtype = product_type(op, g_in.dtype());
  const Array g = cast(op, g_in, dtype), x = cast(op, x_in, dtype);
  const Array weight = Array::empty(op, weight_shape, dtype);
  if (weight.numel() == 0) return cast(op, weight, g_in.dtype());
  if (geometry.batch == 0) {
    fill(op, weight, {0.0, 0});
    return cast(op, weight, g_in.dtype());
  }
  ConvWeightGradArgs args{};
  args.batch = geometry.batch;
  args.groups = geometry.groups;
  args.rows = geometry.out_channels / geometry.groups;
  args.depth = geometry.channels / geometry.groups;
  args.h = geometry.axis[0];
  args.w = geometry.axis[1];
  args.x_batch = x.stride(0);
  args.x_channel = x.stride(1);
  args.x_group = args.depth * x.stride(1);
  args.x_h = x.stride(2);
  args.x_w = x.stride(3);
  args.g_batch = g.stride(0);
  args.g_row = g.stride(1);
  args.g_group = args.rows * g.stride(1);
  args.g_h = g.stride(2);
  args.g_w = g.stride(3);
  const auto choice =
      weight_grad_chooser().choose(Problem{args.h, args.w, args.groups, args.rows, args.depth, dtype});
  const int64_t scratch = plan_tiling(&args, size_of(dtype), num_threads());
  Launch<ConvWeightGradArgs> call(op, choice.kernel, choice.plan);
  call.args = args;
  call.read(&ConvWeightGradArgs::x, x);
  call.read(&ConvWeightGradArgs::gradient, g);
  call.write(&ConvWeightGradArgs::weight, weight);
  call.submit(flops_of(geometry), scratch);
  return cast(op, weight, g_in.dtype());
}

}  // namespace markone
