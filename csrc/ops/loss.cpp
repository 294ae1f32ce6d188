#include "ops/loss.h"

#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {

const LossFormula kLossFormulas[kLossCount] = {
#define MO_LOSS(name, operands, value, dx, dy, dw) {#name, operands, #value, {#dx, #dy, #dw}},
#include "kernels/common/loss.def"
};

namespace {

// Only to tell short calls from long ones: an exponential or a logarithm in most.
constexpr double kFlopsPerElement = 12;

// The checked and prepared problem that a loss and its gradient share.
struct Elements {
  const char* op;
  DType dtype;
  Array x, y, w;
  LossReduction reduction;

  Elements(LossOp loss, const Array& x_, const Array& y_, const Array& w_, const std::string& name)
      : op(kLossFormulas[loss].name), dtype(x_.dtype()) {
    MO_CHECK_TYPE(is_floating(dtype), op, "wants a floating type, got ", name_of(dtype));
    MO_CHECK(static_cast<bool>(w_) == (kLossFormulas[loss].operands == 3), op, "takes ",
             kLossFormulas[loss].operands, " arrays");
    MO_CHECK(name == "none" || name == "mean" || name == "sum", op,
             "the reduction must be none, mean or sum, got '", name, "'");
    reduction = name == "none" ? kLossNone : name == "mean" ? kLossMean : kLossSum;
    x = contiguous(op, x_);
    y = same(y_);
    if (w_) w = same(w_);
  }
  Dims result_shape() const { return reduction == kLossNone ? x.shape() : Dims(); }

  template <class Args, class Launch>
  void put(Launch& call, double p) const {
    call.args.n = x.numel();
    call.args.reduction = reduction;
    call.args.p = p;
    call.read(&Args::x, x);
    call.read(&Args::y, y);
    if (w) call.read(&Args::w, w);
  }

 private:
  Array same(const Array& other) const {
    MO_CHECK_TYPE(other.dtype() == dtype, op, "wants arrays of one type, got ", name_of(dtype), " and ",
                  name_of(other.dtype()));
    MO_CHECK(other.shape() == x.shape(), op, "wants arrays of one shape, got ", x.shape(), " and ",
             other.shape());
    return contiguous(op, other);
  }
};

}  // namespace

Array loss(LossOp op, const Array& x, const Array& y, const Array& w, double p,
           const std::string& reduction) {
  const Elements in(op, x, y, w, reduction);
  const Array out = Array::empty(in.op, in.result_shape(), in.dtype, x.device());
  Launch<LossArgs> call(in.op, kernel_for(in.op, table_for(x).loss[op][in.dtype], in.dtype));
  in.put<LossArgs>(call, p);
  call.write(&LossArgs::loss, out);
  const int64_t n = x.numel(), blocks = n / kReduceBlock + 1;
  call.submit(kFlopsPerElement * static_cast<double>(n), blocks * 8);
  return out;
}

std::array<Array, 3> loss_grad(LossOp op, const Array& g, const Array& x, const Array& y, const Array& w,
                               double p, const std::string& reduction, const std::array<bool, 3>& wanted) {
  const Elements in(op, x, y, w, reduction);
  MO_CHECK(g.shape() == in.result_shape(), in.op, "the gradient has shape ", g.shape(), ", wanted ",
           in.result_shape());
  MO_CHECK(!wanted[2] || in.w, in.op, "has no third operand");
  const Array up = prepared(in.op, g, in.dtype);
  std::array<Array, 3> out;
  Launch<LossGradArgs> call(in.op, kernel_for(in.op, table_for(x).loss_grad[op][in.dtype], in.dtype));
  in.put<LossGradArgs>(call, p);
  call.read(&LossGradArgs::g, up);
  int count = 0;
  for (int k = 0; k < 3; ++k) {
    if (!wanted[k]) continue;
    out[k] = Array::empty(in.op, x.shape(), in.dtype, x.device());
    call.args.out[k] = out[k].data();
    call.touch(&call.args.out[k], out[k], true);
    ++count;
  }
  if (x.numel() > 0) call.submit(kFlopsPerElement * count * static_cast<double>(x.numel()));
  return out;
}

namespace {

// An exponential for each way into a position, and a logarithm.
constexpr double kFlopsPerPosition = 80;

struct Alignments {
  Array x, targets, input_lengths, target_lengths;
  int64_t blank;

  Alignments(const Array& x_, const Array& targets_, const Array& inputs_, const Array& lengths_,
             int64_t blank_)
      : blank(blank_) {
    const char* op = "ctc_loss";
    MO_CHECK(x_.ndim() == 3, op, "wants log_probs [T, N, C], got ", x_.shape());
    const int64_t count = x_.size(1);
    MO_CHECK(blank >= 0 && blank < x_.size(2), op, "blank is ", blank, ", wants one of ", x_.size(2),
             " classes");
    MO_CHECK(targets_.ndim() == 1 || (targets_.ndim() == 2 && targets_.size(0) == count), op,
             "wants targets [", count, ", S] or one after the other, got ", targets_.shape());
    for (const Array* a : {&targets_, &inputs_, &lengths_}) {
      MO_CHECK_TYPE(a->dtype() == kI64, op, "wants int64 targets and lengths, got ", name_of(a->dtype()));
    }
    for (const Array* a : {&inputs_, &lengths_}) {
      MO_CHECK(a->ndim() == 1 && a->size(0) == count, op, "wants ", count, " lengths, got shape ",
               a->shape());
    }
    x = contiguous(op, x_);
    targets = contiguous(op, targets_);
    input_lengths = contiguous(op, inputs_);
    target_lengths = contiguous(op, lengths_);
  }
  int64_t row() const { return 2 * targets.size(targets.ndim() - 1) + 1; }
  int64_t scratch() const { return 8 * x.size(1) + 8 * kCtcScratch * (row() + kCtcSlack) * num_threads(); }
  double flops() const {
    return kFlopsPerPosition * static_cast<double>(x.size(0)) * static_cast<double>(x.size(1)) *
           static_cast<double>(row());
  }
  // `args` is the launch's own, or a part of it; its pointers are read from these arrays.
  template <class Launch>
  void put(Launch& call, CtcArgs& args) const {
    args.steps = x.size(0);
    args.count = x.size(1);
    args.classes = x.size(2);
    args.blank = blank;
    args.labels = targets.size(targets.ndim() - 1);
    args.packed = targets.ndim() == 1;
    args.row = row();
    args.x = x.data();
    args.targets = static_cast<const int64_t*>(targets.data());
    args.input_lengths = static_cast<const int64_t*>(input_lengths.data());
    args.target_lengths = static_cast<const int64_t*>(target_lengths.data());
    call.touch(&args.x, x, false);
    call.touch(&args.targets, targets, false);
    call.touch(&args.input_lengths, input_lengths, false);
    call.touch(&args.target_lengths, target_lengths, false);
    call.values("a length or label");
  }
};

}  // namespace

std::pair<Array, Array> ctc(const Array& x, const Array& targets, const Array& input_lengths,
                            const Array& target_lengths, int64_t blank, bool save) {
  const char* op = "ctc_loss";
  const Alignments in(x, targets, input_lengths, target_lengths, blank);
  const Array out = Array::empty(op, {x.size(1)}, x.dtype(), x.device());
  Array saved;
  Launch<CtcArgs> call(op, kernel_for(op, table_for(x).ctc[x.dtype()], x.dtype()));
  in.put(call, call.args);
  call.write(&CtcArgs::loss, out);
  if (save) {
    saved = Array::empty(op, {x.size(1), x.size(0), in.row()}, x.dtype(), x.device());
    call.write(&CtcArgs::alpha, saved);
  }
  call.submit(in.flops(), in.scratch());
  return {out, saved};
}

Array ctc_grad(const Array& g, const Array& x, const Array& targets, const Array& input_lengths,
               const Array& target_lengths, int64_t blank, const Array& loss, const Array& saved) {
  const char* op = "ctc_loss";
  const Alignments in(x, targets, input_lengths, target_lengths, blank);
  MO_CHECK(g.ndim() == 1 && g.size(0) == x.size(1), op, "the gradient has shape ", g.shape(), ", wanted [",
           x.size(1), "]");
  MO_CHECK(loss.shape() == g.shape() && loss.dtype() == x.dtype() && saved.dtype() == x.dtype() &&
               saved.shape() == Dims({x.size(1), x.size(0), in.row()}) && saved.is_contiguous(),
           op, "the saved arrays are not those of this problem");
  const Array up = prepared(op, g, x.dtype()), losses = contiguous(op, loss);
  const Array out = Array::empty(op, x.shape(), x.dtype(), x.device());
  Launch<CtcGradArgs> call(op, kernel_for(op, table_for(x).ctc_grad[x.dtype()], x.dtype()));
  CtcArgs& args = call.args.forward;
  in.put(call, args);
  args.loss = losses.data();
  args.alpha = saved.data();
  call.touch(&args.loss, losses, false);
  call.touch(&args.alpha, saved, false);
  call.read(&CtcGradArgs::g, up);
  call.write(&CtcGradArgs::dx, out);
  call.submit(in.flops(), in.scratch());
  return out;
}

}  // namespace markone
