#include "ops/softmax.h"

#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

// An exponential and a few operations an element; only to tell short calls from long ones.
constexpr double kFlopsPerElement = 20;

DType computed_type(const char* op, const Array& x) {
  MO_CHECK_TYPE(is_floating(x.dtype()), op, "wants a floating type, got ", name_of(x.dtype()));
  return is_half(x.dtype()) ? kF32 : x.dtype();
}

template <class Args>
void set_sizes(Args& args, const Array& x, int dim) {
  args.outer = args.n = args.inner = 1;
  for (int i = 0; i < x.ndim(); ++i) (i < dim ? args.outer : i == dim ? args.n : args.inner) *= x.size(i);
}

}  // namespace

Array softmax(const Array& x, int64_t dim, bool log) {
  const char* op = log ? "log_softmax" : "softmax";
  const DType dtype = computed_type(op, x);
  const int d = wrap_dim(op, dim, x.ndim());
  const Array in = prepared(op, x, dtype), out = Array::empty(op, x.shape(), dtype, x.device());
  if (x.numel() > 0) {
    const KernelTable& table = table_for(out);
    Launch<SoftmaxArgs> call(op,
                             kernel_for(op, log ? table.log_softmax[dtype] : table.softmax[dtype], dtype));
    set_sizes(call.args, x, d);
    call.read(&SoftmaxArgs::x, in);
    call.write(&SoftmaxArgs::y, out);
    call.submit(kFlopsPerElement * static_cast<double>(x.numel()));
  }
  return cast(op, out, x.dtype());
}

Array softmax_grad(const Array& g, const Array& y, int64_t dim, bool log) {
  const char* op = log ? "log_softmax_grad" : "softmax_grad";
  const DType dtype = computed_type(op, y);
  MO_CHECK(g.shape() == y.shape(), op, "g has shape ", g.shape(), " but y has ", y.shape());
  const int d = wrap_dim(op, dim, y.ndim());
  const Array up = prepared(op, g, dtype), in = prepared(op, y, dtype);
  const Array out = Array::empty(op, y.shape(), dtype, y.device());
  if (y.numel() > 0) {
    const KernelTable& table = table_for(out);
    Launch<SoftmaxGradArgs> call(
        op, kernel_for(op, log ? table.log_softmax_grad[dtype] : table.softmax_grad[dtype], dtype));
    set_sizes(call.args, y, d);
    call.read(&SoftmaxGradArgs::g, up);
    call.read(&SoftmaxGradArgs::y, in);
    call.write(&SoftmaxGradArgs::dx, out);
    call.submit((log ? kFlopsPerElement : 4) * static_cast<double>(y.numel()));
  }
  return cast(op, out, y.dtype());
}

namespace {

// The checked and prepared problem that cross_entropy and its gradient share.
struct Labels {
  DType dtype;
  Array x, target, weight;
  LossReduction reduction;
  Dims loss_shape;  // without reduction

  Labels(const char* op, const Array& x_, const Array& target_, const Array& weight_,
         const CrossEntropyOptions& options) {
    dtype = computed_type(op, x_);
    const int class_dim = x_.ndim() == 1 ? 0 : 1;
    MO_CHECK(x_.ndim() >= 1, op, "the logits must have shape [C] or [N, C, ...], got a 0-d array");
    for (int i = 0; i < x_.ndim(); ++i) {
      if (i != class_dim) loss_shape.push_back(x_.size(i));
    }
    MO_CHECK_TYPE(target_.dtype() == kI64, op, "the target must be int64 class labels, got ",
                  name_of(target_.dtype()));
    MO_CHECK(target_.shape() == loss_shape, op, "logits of shape ", x_.shape(), " want a target of shape ",
             loss_shape, ", got ", target_.shape());
    const int64_t classes = x_.size(class_dim);
    MO_CHECK(classes > 0 || target_.numel() == 0, op, "logits of shape ", x_.shape(), " have no classes");
    if (weight_) {
      MO_CHECK(weight_.ndim() == 1 && weight_.size(0) == classes, op, "the weight must have shape [", classes,
               "], got ", weight_.shape());
      MO_CHECK_TYPE(is_floating(weight_.dtype()), op, "the weight must be floating, got ",
                    name_of(weight_.dtype()));
      weight = prepared(op, weight_, dtype);
    }
    MO_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1, op,
             "label_smoothing must be from 0 to 1, got ", options.label_smoothing);
    MO_CHECK(options.reduction == "none" || options.reduction == "mean" || options.reduction == "sum", op,
             "the reduction must be none, mean or sum, got '", options.reduction, "'");
    reduction = options.reduction == "none" ? kLossNone : options.reduction == "mean" ? kLossMean : kLossSum;
    x = prepared(op, x_, dtype);
    target = contiguous(op, target_);
  }
  int class_dim() const { return x.ndim() == 1 ? 0 : 1; }
  Dims result_shape() const { return reduction == kLossNone ? loss_shape : Dims(); }

  template <class Launch, class Args>
  void put(Launch& call, const CrossEntropyOptions& options, const Args*) const {
    set_sizes(call.args, x, class_dim());
    call.args.ignore_index = options.ignore_index;
    call.args.smoothing = options.label_smoothing;
    call.args.reduction = reduction;
    call.read(&Args::x, x);
    call.read(&Args::target, target);
    if (weight) call.read(&Args::weight, weight);
    call.values("target");
  }
};

}  // namespace

namespace {

struct LossCall {
  const char* op;
  int64_t saved, scratch;  // elements of what the gradient needs, bytes
  double flops;
};

std::pair<Array, Array> class_loss(const LossCall& how, const Entry<CrossEntropyArgs>* entries,
                                   const Labels& labels, const CrossEntropyOptions& options, DType given) {
  const DType dtype = labels.dtype;
  const Array loss = Array::empty(how.op, labels.result_shape(), dtype, labels.x.device());
  const Array saved = Array::empty(how.op, {how.saved}, dtype, labels.x.device());
  Launch<CrossEntropyArgs> call(how.op, kernel_for(how.op, entries[dtype], dtype));
  labels.put(call, options, &call.args);
  call.write(&CrossEntropyArgs::loss, loss);
  call.write(&CrossEntropyArgs::saved, saved);
  call.submit(how.flops, how.scratch);
  return {cast(how.op, loss, given), saved};
}

Array class_loss_grad(const LossCall& how, const Entry<CrossEntropyGradArgs>* entries, const Labels& labels,
                      const CrossEntropyOptions& options, const Array& g, const Array& saved, DType given) {
  const char* op = how.op;
  const DType dtype = labels.dtype;
  MO_CHECK(g.shape() == labels.result_shape(), op, "g has shape ", g.shape(), ", wanted ",
           labels.result_shape());
  MO_CHECK(saved.ndim() == 1 && saved.size(0) == how.saved && saved.dtype() == dtype, op,
           "the saved array is not that of this problem");
  const Array up = prepared(op, g, dtype), kept = contiguous(op, saved);
  const Array out = Array::empty(op, labels.x.shape(), dtype, labels.x.device());
  if (out.numel() > 0) {
    Launch<CrossEntropyGradArgs> call(op, kernel_for(op, entries[dtype], dtype));
    labels.put(call, options, &call.args);
    call.read(&CrossEntropyGradArgs::g, up);
    call.read(&CrossEntropyGradArgs::saved, kept);
    call.write(&CrossEntropyGradArgs::dx, out);
    call.submit(how.flops);
  }
  return cast(op, out, given);
}

LossCall entropy_call(const char* op, const Labels& labels) {
  const int64_t rows = labels.target.numel();
  return {op, 2 * rows + 1, 3 * rows * size_of(labels.dtype),
          kFlopsPerElement * static_cast<double>(labels.x.numel())};
}
LossCall nll_call(const char* op, const Labels& labels, double flops) {
  return {op, 1, 16 * (labels.target.numel() / kNllRows + 1), flops};
}

}  // namespace

std::pair<Array, Array> cross_entropy(const Array& x, const Array& target, const Array& weight,
                                      const CrossEntropyOptions& options) {
  const Labels labels("cross_entropy", x, target, weight, options);
  return class_loss(entropy_call("cross_entropy", labels), table_for(labels.x).cross_entropy, labels, options,
                    x.dtype());
}
Array cross_entropy_grad(const Array& g, const Array& x, const Array& target, const Array& weight,
                         const CrossEntropyOptions& options, const Array& saved) {
  const char* op = "cross_entropy_grad";
  const Labels labels(op, x, target, weight, options);
  return class_loss_grad(entropy_call(op, labels), table_for(labels.x).cross_entropy_grad, labels, options, g,
                         saved, x.dtype());
}

// A row costs about a missed cache line.
std::pair<Array, Array> nll(const Array& x, const Array& target, const Array& weight,
                            const CrossEntropyOptions& options) {
  const Labels labels("nll_loss", x, target, weight, options);
  const double flops = 20.0 * static_cast<double>(target.numel());
  return class_loss(nll_call("nll_loss", labels, flops), table_for(labels.x).nll, labels, options, x.dtype());
}
Array nll_grad(const Array& g, const Array& x, const Array& target, const Array& weight,
               const CrossEntropyOptions& options, const Array& saved) {
  const Labels labels("nll_loss", x, target, weight, options);
  const double flops = static_cast<double>(x.numel()) + 20.0 * static_cast<double>(target.numel());
  return class_loss_grad(nll_call("nll_loss", labels, flops), table_for(labels.x).nll_grad, labels, options,
                         g, saved, x.dtype());
}

}  // namespace markone
