#include "ops/conv.h"

#include <atomic>
#include <numeric>

#include "contract/conv.h"
#include "ops/conv_geometry.h"
#include "ops/conv_tiling.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/plan.h"

namespace markone {
namespace {

using Problem = ConvProblem;

// Each implementation of the list with how it is cut: bytes of scratch for so many threads.
template <class Args>
using PlanTiling = int64_t (*)(Args* args, int64_t size, int64_t slots);

const char* refuse_spread(const Problem& p, const KernelTable&) {
  return p.spread > 1 ? "wants an input without zeros between" : nullptr;
}

constexpr Implementation<Problem, ConvArgs> kForward[] = {
    {"depthwise", [](const Problem& p, const KernelTable&) { return refuse_depthwise(p); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& {
       return t.conv_depthwise[p.dtype];
     },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_depthwise(p); }},
    {"winograd4", [](const Problem& p, const KernelTable&) { return refuse_winograd(p, 4); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& {
       return t.conv_winograd4[p.dtype];
     },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_winograd(p, 4); }},
    {"winograd2", [](const Problem& p, const KernelTable&) { return refuse_winograd(p, 2); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& {
       return t.conv_winograd2[p.dtype];
     },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_winograd(p, 2); }},
    {"columns", [](const Problem& p, const KernelTable&) { return refuse_columns(p); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& { return t.conv_columns[p.dtype]; },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_columns(p); }},
    {"implicit", refuse_spread,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& {
       return t.conv_implicit[p.dtype];
     },
     nullptr},
    {"reference", refuse_spread,
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvArgs>& { return t.conv_ref[p.dtype]; },
     nullptr},
};
constexpr PlanTiling<ConvArgs> kForwardTiling[] = {
    plan_depthwise,
    [](ConvArgs* args, int64_t, int64_t slots) { return plan_winograd(args, 4, slots); },
    [](ConvArgs* args, int64_t, int64_t slots) { return plan_winograd(args, 2, slots); },
    plan_columns,
    plan_tiling,
    plan_tiling,
};
static_assert(std::size(kForward) == std::size(kForwardTiling));

constexpr Implementation<Problem, ConvWeightGradArgs> kWeightGrad[] = {
    {"depthwise", [](const Problem& p, const KernelTable&) { return refuse_depthwise_weight_grad(p); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvWeightGradArgs>& {
       return t.conv_weight_grad_depthwise[p.dtype];
     },
     nullptr},
    {"winograd4", [](const Problem& p, const KernelTable&) { return refuse_winograd(p, 4); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvWeightGradArgs>& {
       return t.conv_weight_grad_winograd4[p.dtype];
     },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_winograd(p, 4); }},
    {"winograd2", [](const Problem& p, const KernelTable&) { return refuse_winograd(p, 2); },
     [](const Problem& p, const KernelTable& t) -> const Entry<ConvWeightGradArgs>& {
       return t.conv_weight_grad_winograd2[p.dtype];
     },
     nullptr, [](const Problem& p, const KernelTable&) { return avoid_winograd(p, 2); }},
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
constexpr PlanTiling<ConvWeightGradArgs> kWeightGradTiling[] = {
    plan_depthwise,
    [](ConvWeightGradArgs* args, int64_t, int64_t slots) { return plan_winograd(args, 4, slots); },
    [](ConvWeightGradArgs* args, int64_t, int64_t slots) { return plan_winograd(args, 2, slots); },
    plan_tiling,
    plan_tiling,
};
static_assert(std::size(kWeightGrad) == std::size(kWeightGradTiling));

using ForwardChooser = Chooser<Problem, ConvArgs, std::size(kForward)>;
using WeightGradChooser = Chooser<Problem, ConvWeightGradArgs, std::size(kWeightGrad)>;
ForwardChooser& forward_chooser() {
  static auto* chooser = new ForwardChooser("conv", kForward);
  return *chooser;
}
ForwardChooser& input_grad_chooser() {
  static auto* chooser = new ForwardChooser("conv_input_grad", kForward);
  return *chooser;
}
WeightGradChooser& weight_grad_chooser() {
  static auto* chooser = new WeightGradChooser("conv_weight_grad", kWeightGrad);
  return *chooser;
}
// The lists are known before the first call.
[[maybe_unused]] const bool registered =
    (forward_chooser(), input_grad_chooser(), weight_grad_chooser(), true);

std::atomic<int64_t> winograd_tiles{4};

// Names by the number of axes: errors and profiles show PyTorch's.
struct Names {
  const char* names[3];
  const char* of(int axes) const { return names[axes >= 1 && axes <= 3 ? axes - 1 : 1]; }
};
constexpr Names kConv{{"conv1d", "conv2d", "conv3d"}};
constexpr Names kInputGrad{{"conv1d_input_grad", "conv2d_input_grad", "conv3d_input_grad"}};
constexpr Names kWeightGradNames{{"conv1d_weight_grad", "conv2d_weight_grad", "conv3d_weight_grad"}};
constexpr Names kTranspose{{"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}};

struct Geometry {
  int axes;
  ConvAxis axis[3];  // d, h, w
  int64_t batch, channels, out_channels, groups;
  Dims out_shape;
};

Geometry check(const char* op, const Dims& x, const Dims& weight, const ConvParams& params) {
  const int axes = x.size() - 2;
  MO_CHECK(axes >= 1 && axes <= 3, op, "input must be [N, C, W], [N, C, H, W] or [N, C, D, H, W], got shape ",
           x);
  MO_CHECK(weight.size() == x.size(), op,
           "weight must be [O, C / groups, one size an axis] for input of shape ", x, ", got shape ", weight);
  checked_numel(op, x);
  checked_numel(op, weight);
  const Dims stride = check_axes(op, "stride", params.stride, axes, 1);
  const Dims padding = check_axes(op, "padding", params.padding, axes, 0);
  const Dims dilation = check_axes(op, "dilation", params.dilation, axes, 1);
  MO_CHECK(params.groups >= 1, op, "groups must be at least 1, got ", params.groups);
  Geometry out{axes, {kSinglePlace, kSinglePlace, kSinglePlace}, x[0], x[1], weight[0], params.groups, {}};
  MO_CHECK(x[1] == checked_mul(op, weight[1], params.groups), op, "input has ", x[1], " channels (shape ", x,
           ") but weight wants ", weight[1] * params.groups, " (shape ", weight, ", groups=", params.groups,
           ")");
  MO_CHECK(weight[0] % params.groups == 0, op, "weight has ", weight[0], " output channels (shape ", weight,
           "), not a multiple of groups=", params.groups);
  out.out_shape = {x[0], weight[0]};
  for (int i = 0; i < axes; ++i) {
    const ConvAxis axis =
        check_axis(op, i, axes, x[2 + i], weight[2 + i], stride[i], padding[i], dilation[i]);
    out.axis[3 - axes + i] = axis;
    out.out_shape.push_back(axis.out);
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

void check_bias(const char* op, const Array& x, const Array& bias, int64_t channels) {
  if (!bias) return;
  check_type(op, "input", x, "bias", bias);
  MO_CHECK(bias.ndim() == 1 && bias.size(0) == channels, op, "bias must be [", channels, "], got shape ",
           bias.shape());
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

// Of [outer, channel, axes..] with so many channels a group. A missing axis has one place, which no stride
// moves.
ConvStrides strides_of(const Array& a, int64_t group) {
  const int n = a.ndim();
  return {a.stride(0),
          group * a.stride(1),
          a.stride(1),
          n > 4 ? a.stride(n - 3) : 0,
          n > 3 ? a.stride(n - 2) : 0,
          a.stride(n - 1)};
}

// The image whose x is `a`: so many channels of it a group meet so many rows.
ConvImage image_of(const Geometry& geometry, const Array& a, int64_t depth, int64_t rows) {
  return {geometry.batch,   geometry.groups,      rows, depth, geometry.axis[0], geometry.axis[1],
          geometry.axis[2], strides_of(a, depth), 1,    {}};
}

Problem problem_of(const ConvImage& image, DType dtype) {
  return {image.d,      image.h,      image.w,
          image.groups, image.rows,   image.depth,
          dtype,        image.spread, winograd_tiles.load(std::memory_order_relaxed)};
}

void submit(const char* op, ForwardChooser& chooser, ConvArgs args, const Array& x, const Array& weight,
            const Array& bias, const Array& y, double flops) {
  const auto choice = chooser.choose(problem_of(args.image, x.dtype()), table_for(x));
  const int64_t scratch = kForwardTiling[choice.plan->index](&args, size_of(x.dtype()), num_threads());
  Launch<ConvArgs> call(op, choice.kernel, choice.plan);
  call.args = args;
  call.read(&ConvArgs::x, x);
  call.read(&ConvArgs::weight, weight);
  call.write(&ConvArgs::y, y);
  if (bias) call.read(&ConvArgs::bias, bias);
  call.submit(flops, scratch);
}

}  // namespace

Dims check_axes(const char* op, const char* name, const Dims& given, int axes, int64_t least) {
  MO_CHECK(given.size() == 1 || given.size() == axes, op, name, " must be one number or ", axes, ", got ",
           given);
  Dims out = given.size() == axes ? given : Dims::filled(axes, given[0]);
  for (int64_t value : out) MO_CHECK(value >= least, op, name, " must be at least ", least, ", got ", given);
  return out;
}

ConvAxis check_axis(const char* op, int i, int axes, int64_t in, int64_t taps, int64_t stride,
                    int64_t padding, int64_t dilation) {
  constexpr const char* kSides[] = {"depth", "height", "width"};
  const char* side = kSides[3 - axes + i];
  MO_CHECK(taps >= 1, op, "kernel ", side, " must be at least 1, got ", taps);
  const int64_t reach = checked_add(op, checked_mul(op, dilation, taps - 1), 1);
  const int64_t padded = checked_add(op, in, checked_mul(op, padding, 2));
  MO_CHECK(reach <= padded, op, "kernel ", side, " ", taps, " with dilation ", dilation, " reaches over ",
           reach, " but the input of ", side, " ", in, " with padding ", padding, " has ", padded);
  return {(padded - reach) / stride + 1, in, taps, stride, dilation, padding};
}

void set_winograd(int64_t tile) {
  MO_CHECK(tile == 0 || tile == 2 || tile == 4, "set_winograd", "wants 4, 2 or 0 (off), got ", tile);
  winograd_tiles.store(tile);
}
int64_t winograd() { return winograd_tiles.load(); }

Array conv(const Array& x_in, const Array& weight_in, const Array& bias, const ConvParams& params) {
  const char* op = kConv.of(x_in.ndim() - 2);
  const Geometry geometry = check(op, x_in.shape(), weight_in.shape(), params);
  check_type(op, "input", x_in, "weight", weight_in);
  check_bias(op, x_in, bias, geometry.out_channels);
  const DType dtype = product_type(op, x_in.dtype());
  const Array x = cast(op, x_in, dtype), weight = cast(op, weight_in, dtype);
  const Array y = Array::empty(op, geometry.out_shape, dtype, x.device());
  if (y.numel() > 0) {
    ConvArgs args{};
    const int64_t rows = geometry.out_channels / geometry.groups;
    args.image = image_of(geometry, x, geometry.channels / geometry.groups, rows);
    args.weight_at = strides_of(weight, 0);
    args.weight_at.group = rows * weight.stride(0);
    args.y_at = strides_of(y, rows);
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

// The same axis for a gradient that has stride - 1 zeros between its neighbours, read at stride 1 by the taps
// from the last to the first.
ConvAxis spread_axis(const ConvAxis& axis) {
  return {axis.in,       (axis.out - 1) * axis.stride + 1,          axis.taps, 1,
          axis.dilation, (axis.taps - 1) * axis.dilation - axis.pad};
}

// What the input gradient and the transposed convolution both are.
Array correlate_back(const char* op, const Geometry& geometry, const Array& g_in, const Array& weight_in,
                     const Array& bias_in, const Dims& input_shape) {
  const DType dtype = product_type(op, g_in.dtype());
  const Array g = cast(op, g_in, dtype), weight = cast(op, weight_in, dtype);
  const Array x = Array::empty(op, input_shape, dtype, g.device());
  if (x.numel() == 0) return cast(op, x, g_in.dtype());
  const Array bias = bias_in ? prepared(op, bias_in, dtype) : Array();
  ConvArgs args{};
  const int64_t rows = geometry.channels / geometry.groups, depth = geometry.out_channels / geometry.groups;
  args.image = image_of(geometry, g, depth, rows);
  // Weights with their first two dimensions exchanged; the axes follow below.
  args.weight_at.outer = weight.stride(1);
  args.weight_at.channel = weight.stride(0);
  args.weight_at.group = depth * weight.stride(0);
  args.y_at = strides_of(x, rows);
  const ConvAxis(&axis)[3] = geometry.axis;
  if (geometry.axes == 2 && axis[1].stride > 1) {
    // With few channels a group one call that meets zeros between beats a call for each phase.
    args.image.spread = axis[1].stride;
    args.image.h = spread_axis(axis[1]);
    args.image.w = spread_axis(axis[2]);
    const Problem problem = problem_of(args.image, dtype);
    const std::string forced = forced_implementation("conv_input_grad");
    if (axis[2].stride == axis[1].stride &&
        (forced.empty() ? !avoid_depthwise(problem) : forced == "depthwise") && !refuse_depthwise(problem)) {
      const int64_t last = (axis[1].taps - 1) * (weight.stride(2) + weight.stride(3));
      args.weight_at.h = -weight.stride(2);
      args.weight_at.w = -weight.stride(3);
      args.y_at = strides_of(x, rows);
      submit(op, input_grad_chooser(), args, g,
             weight.view_as(weight.shape(), weight.strides(), weight.offset() + last), bias, x,
             flops_of(geometry));
      return cast(op, x, g_in.dtype());
    }
    args.image.spread = 1;
  }
  int64_t covered[3];
  bool everywhere = true;
  double count = 1;
  for (int i = 0; i < 3; ++i) {
    covered[i] = for_phases(axis[i], [](const Phase&) {});
    everywhere &= covered[i] == std::min(axis[i].stride, axis[i].in);
    count *= static_cast<double>(std::max<int64_t>(1, covered[i]));
  }
  if (!everywhere) {  // inputs that no output reads
    if (bias) {
      Dims channels = Dims::filled(x.ndim(), 1);
      channels[1] = bias.size(0);
      copy_into(op, x, bias.reshape_view(op, channels));
    } else {
      fill(op, x, {0.0, 0});
    }
  }
  const auto stride = [n = geometry.axes](const Array& a, int i) {
    return i < 3 - n ? 0 : a.stride(i + n - 1);
  };
  const double flops = flops_of(geometry) / count;
  // The phase of each axis in turn; `tap` and `first` are where it begins in the weights and in x.
  const auto run = [&](const Phase& pd, const Phase& ph, const Phase& pw) {
    const Phase* const phases[] = {&pd, &ph, &pw};
    int64_t tap = weight.offset(), first = x.offset();
    int64_t tap_step[3], y_step[3];
    Dims taps_shape{weight.size(0), weight.size(1)}, taps_strides{weight.stride(0), weight.stride(1)};
    Dims part_shape{x.size(0), x.size(1)}, part_strides{x.stride(0), x.stride(1)};
    for (int i = 0; i < 3; ++i) {
      const Phase& p = *phases[i];
      // Of a single one the stride is never used, and the product may not fit.
      tap_step[i] = p.axis.taps > 1 ? p.tap_step * stride(weight, i) : 0;
      y_step[i] = p.axis.out > 1 ? axis[i].stride * stride(x, i) : i == 2;
      tap += p.tap * stride(weight, i);
      first += p.first * stride(x, i);
      taps_shape.push_back(p.axis.taps);
      taps_strides.push_back(tap_step[i]);
      part_shape.push_back(p.axis.out);
      part_strides.push_back(y_step[i]);
    }
    args.image.d = pd.axis;
    args.image.h = ph.axis;
    args.image.w = pw.axis;
    args.weight_at.d = tap_step[0];
    args.weight_at.h = tap_step[1];
    args.weight_at.w = tap_step[2];
    args.y_at.d = y_step[0];
    args.y_at.h = y_step[1];
    args.y_at.w = y_step[2];
    submit(op, input_grad_chooser(), args, g, weight.view_as(taps_shape, taps_strides, tap), bias,
           x.view_as(part_shape, part_strides, first), flops);
  };
  for_phases(axis[0], [&](const Phase& pd) {
    for_phases(axis[1],
               [&](const Phase& ph) { for_phases(axis[2], [&](const Phase& pw) { run(pd, ph, pw); }); });
  });
  return cast(op, x, g_in.dtype());
}

}  // namespace

Array conv_input_grad(const Array& g, const Array& weight, const Dims& input_shape,
                      const ConvParams& params) {
  const char* op = kInputGrad.of(g.ndim() - 2);
  const Geometry geometry = check(op, input_shape, weight.shape(), params);
  check_gradient(op, g, geometry);
  check_type(op, "gradient", g, "weight", weight);
  return correlate_back(op, geometry, g, weight, Array(), input_shape);
}

Array conv_transpose(const Array& x, const Array& weight, const Array& bias, const ConvParams& params,
                     const Dims& output_padding) {
  const int axes = x.ndim() - 2;
  const char* op = kTranspose.of(axes);
  MO_CHECK(axes >= 1 && axes <= 3 && weight.ndim() == x.ndim(), op,
           "wants input [N, C, axes..] and weight [C, O / groups, axes..] of one to three axes, got shapes ",
           x.shape(), " and ", weight.shape());
  const Dims stride = check_axes(op, "stride", params.stride, axes, 1);
  const Dims padding = check_axes(op, "padding", params.padding, axes, 0);
  const Dims dilation = check_axes(op, "dilation", params.dilation, axes, 1);
  const Dims extra = check_axes(op, "output_padding", output_padding, axes, 0);
  MO_CHECK(params.groups >= 1, op, "groups must be at least 1, got ", params.groups);
  MO_CHECK(x.size(1) == weight.size(0), op, "input has ", x.size(1), " channels (shape ", x.shape(),
           ") but weight wants ", weight.size(0), " (shape ", weight.shape(), ")");
  MO_CHECK(weight.size(0) % params.groups == 0, op, "weight has ", weight.size(0), " input channels (shape ",
           weight.shape(), "), not a multiple of groups=", params.groups);
  Dims shape{x.size(0), checked_mul(op, weight.size(1), params.groups)};
  for (int i = 0; i < axes; ++i) {
    MO_CHECK(extra[i] < stride[i], op, "output_padding must be below the stride, got ", extra, " and ",
             stride);
    MO_CHECK(x.size(2 + i) >= 1 && weight.size(2 + i) >= 1, op, "an axis is empty, input has shape ",
             x.shape(), ", weight ", weight.shape());
    int64_t size = checked_mul(op, x.size(2 + i) - 1, stride[i]);
    size = checked_add(op, size, checked_mul(op, dilation[i], weight.size(2 + i) - 1));
    size = checked_add(op, size, extra[i] + 1) - checked_mul(op, padding[i], 2);
    MO_CHECK(size >= 1, op, "padding ", padding, " leaves an output of size ", size, " (input shape ",
             x.shape(), ", weight shape ", weight.shape(), ")");
    shape.push_back(size);
  }
  check_type(op, "input", x, "weight", weight);
  check_bias(op, x, bias, shape[1]);
  return correlate_back(op, check(op, shape, weight.shape(), params), x, weight, bias, shape);
}

Array conv_weight_grad(const Array& g_in, const Array& x_in, const Dims& weight_shape,
                       const ConvParams& params) {
  const char* op = kWeightGradNames.of(x_in.ndim() - 2);
  const Geometry geometry = check(op, x_in.shape(), weight_shape, params);
  check_gradient(op, g_in, geometry);
  check_type(op, "gradient", g_in, "input", x_in);
  const DType dtype = product_type(op, g_in.dtype());
  const Array g = cast(op, g_in, dtype), x = cast(op, x_in, dtype);
  const Array weight = Array::empty(op, weight_shape, dtype, g.device());
  if (weight.numel() == 0) return cast(op, weight, g_in.dtype());
  if (geometry.batch == 0) {
    fill(op, weight, {0.0, 0});
    return cast(op, weight, g_in.dtype());
  }
  ConvWeightGradArgs args{};
  const int64_t rows = geometry.out_channels / geometry.groups;
  args.image = image_of(geometry, x, geometry.channels / geometry.groups, rows);
  args.gradient_at = strides_of(g, rows);
  const auto choice = weight_grad_chooser().choose(problem_of(args.image, dtype), table_for(x));
  const int64_t scratch = kWeightGradTiling[choice.plan->index](&args, size_of(dtype), num_threads());
  Launch<ConvWeightGradArgs> call(op, choice.kernel, choice.plan);
  call.args = args;
  call.read(&ConvWeightGradArgs::x, x);
  call.read(&ConvWeightGradArgs::gradient, g);
  call.write(&ConvWeightGradArgs::weight, weight);
  call.submit(flops_of(geometry), scratch);
  return cast(op, weight, g_in.dtype());
}

}  // namespace markone
