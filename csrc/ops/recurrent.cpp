#include "ops/recurrent.h"

#include <algorithm>

#include "contract/recurrent.h"
#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/index.h"
#include "ops/reduce.h"
#include "ops/tables.h"

namespace markone {
namespace {

struct KindName {
  const char *name, *grad;
  int64_t gates;
  bool lstm, gru;
};
constexpr KindName kKinds[kRecurrentKinds] = {
    {"rnn_tanh", "rnn_tanh_grad", 1, false, false},
    {"rnn_relu", "rnn_relu_grad", 1, false, false},
    {"lstm", "lstm_grad", 4, true, false},
    {"lstm_sigmoid", "lstm_sigmoid_grad", 4, true, false},
    {"gru", "gru_grad", 3, false, true},
    {"gru_reset_first", "gru_reset_first_grad", 3, false, true},
};

RecurrentKind kind_of(const std::string& name) {
  for (int64_t i = 0; i < kRecurrentKinds; ++i) {
    if (name == kKinds[i].name) return static_cast<RecurrentKind>(i);
  }
  fail(ErrorKind::kValue, "recurrent", "no kind '", name, "'");
}

// The checked problem that both passes share.
struct Problem {
  const char* op;
  RecurrentKind kind;
  DType dtype;  // of the computation
  Device device;
  int64_t steps, batch, in, hidden, out, gates;
  bool reverse;
  Array x, w_ih, w_hh, w_hr, lengths;

  Problem(const char* op_, RecurrentKind kind_, const Array& x_, const RecurrentWeights& weights,
          const Array& lengths_, bool reverse_)
      : op(op_), kind(kind_), gates(kKinds[kind_].gates), reverse(reverse_) {
    MO_CHECK_TYPE(is_floating(x_.dtype()), op, "wants a floating type, got ", name_of(x_.dtype()));
    MO_CHECK(x_.ndim() == 3, op, "input must be [steps, batch, in], got shape ", x_.shape());
    steps = x_.size(0);
    batch = x_.size(1);
    in = x_.size(2);
    MO_CHECK(steps > 0, op, "wants at least one step, got an input of shape ", x_.shape());
    MO_CHECK(weights.w_hh.ndim() == 2, op, "w_hh must be [", gates, " * hidden, out], got shape ",
             weights.w_hh.shape());
    out = weights.w_hh.size(1);
    hidden = weights.w_hr ? weights.w_hh.size(0) / gates : out;
    MO_CHECK(hidden > 0 && out > 0, op, "wants a hidden state, got w_hh of shape ", weights.w_hh.shape());
    MO_CHECK(!weights.w_hr || kKinds[kind].lstm, op, "has no projection");
    wants(weights.w_ih, "w_ih", {gates * hidden, in}, x_);
    wants(weights.w_hh, "w_hh", {gates * hidden, out}, x_);
    if (weights.b_ih) wants(weights.b_ih, "b_ih", {gates * hidden}, x_);
    if (weights.b_hh) wants(weights.b_hh, "b_hh", {gates * hidden}, x_);
    if (weights.w_hr) wants(weights.w_hr, "w_hr", {out, hidden}, x_);
    dtype = is_half(x_.dtype()) ? kF32 : x_.dtype();
    device = x_.device();
    x = prepared(op, x_, dtype);
    w_ih = prepared(op, weights.w_ih, dtype);
    w_hh = prepared(op, weights.w_hh, dtype);
    if (weights.w_hr) w_hr = prepared(op, weights.w_hr, dtype);
    if (lengths_) {
      MO_CHECK_TYPE(lengths_.dtype() == kI64, op, "lengths must be int64, got ", name_of(lengths_.dtype()));
      MO_CHECK(lengths_.shape() == Dims({batch}), op, "lengths must have shape [", batch, "], got ",
               lengths_.shape());
      lengths = to_device(op, contiguous(op, lengths_), x.device());
    }
  }

  void wants(const Array& a, const char* name, const Dims& shape, const Array& like) const {
    MO_CHECK(a.shape() == shape, op, name, " must have shape ", shape, ", got ", a.shape());
    MO_CHECK_TYPE(a.dtype() == like.dtype(), op, name, " is ", name_of(a.dtype()), " but input is ",
                  name_of(like.dtype()));
  }
  Array optional(const Array& a, const char* name, const Dims& shape, const Array& like) const {
    if (!a) return {};
    wants(a, name, shape, like);
    return prepared(op, a, dtype);
  }
  Array made(const Dims& shape) const { return Array::empty(op, shape, dtype, device); }
  Array rows(const Array& a) const { return a.reshape_view(op, {steps * batch, a.size(a.ndim() - 1)}); }
  // The states that each step starts from, or ends with.
  Array before(const Array& h) const { return h.slice(0, reverse ? 1 : 0, reverse ? steps + 1 : steps, 1); }
  Array after(const Array& h) const { return h.slice(0, reverse ? 0 : 1, reverse ? steps : steps + 1, 1); }
  double flops() const {
    return 2.0 * static_cast<double>(steps * batch * gates * hidden) * static_cast<double>(out);
  }

  // Sizes, lengths, and scratch that serves either pass; returns its bytes.
  template <class Args, class Launch>
  int64_t put(Launch& call) const {
    Args& args = call.args;
    args.steps = steps;
    args.batch = batch;
    args.hidden = hidden;
    args.out = out;
    args.gates = gates;
    args.reverse = reverse;
    args.slots = num_threads();
    if (lengths) call.read(&Args::lengths, lengths);
    call.read(&Args::w, w_hh);
    if (w_hr) call.read(&Args::proj, w_hr);
    const int64_t wide = gates * hidden, slack = kRecurrentSlack;
    args.weights = std::max((wide + 2 * slack) * out, (out + slack) * wide + (hidden + slack) * out) +
                   (w_hr ? std::max((out + slack) * hidden, (hidden + slack) * out) : 0) + slack;
    args.block = std::min(batch, kRecurrentRows) * std::max({wide, out, hidden}) + slack;
    return checked_mul(op, args.weights + args.slots * args.block, size_of(dtype));
  }
};

}  // namespace

RecurrentResult recurrent(const std::string& kind_name, const Array& x, const RecurrentWeights& weights,
                          const Array& h0, const Array& c0, const Array& lengths, bool reverse) {
  const RecurrentKind kind = kind_of(kind_name);
  const char* op = kKinds[kind].name;
  const bool lstm = kKinds[kind].lstm;
  const Problem p(op, kind, x, weights, lengths, reverse);
  const Array first_h = p.optional(h0, "h0", {p.batch, p.out}, x);
  const Array first_c = lstm ? p.optional(c0, "c0", {p.batch, p.hidden}, x) : Array();
  const Array b_ih = weights.b_ih ? prepared(op, weights.b_ih, p.dtype) : Array();
  const Array b_hh = weights.b_hh ? prepared(op, weights.b_hh, p.dtype) : Array();

  RecurrentResult result;
  RecurrentSaved& saved = result.saved;
  saved.gate = linear(p.x, p.w_ih, b_ih);
  saved.h = p.made({p.steps + 1, p.batch, p.out});
  if (lstm) saved.c = p.made({p.steps + 1, p.batch, p.hidden});
  if (p.w_hr || kKinds[kind].gru) saved.inner = p.made({p.steps, p.batch, p.hidden});
  result.y = p.lengths ? p.made({p.steps, p.batch, p.out}) : p.after(saved.h);

  Launch<RecurrentArgs> call(op, kernel_for(op, table_for(p.device).recurrent[kind][p.dtype], p.dtype));
  const int64_t scratch = p.put<RecurrentArgs>(call);
  if (b_hh) call.read(&RecurrentArgs::bias, b_hh);
  if (first_h) call.read(&RecurrentArgs::h0, first_h);
  if (first_c) call.read(&RecurrentArgs::c0, first_c);
  call.write(&RecurrentArgs::gate, saved.gate);
  call.write(&RecurrentArgs::h, saved.h);
  if (saved.c) call.write(&RecurrentArgs::c, saved.c);
  if (saved.inner) call.write(&RecurrentArgs::inner, saved.inner);
  if (p.lengths) call.write(&RecurrentArgs::y, result.y);
  call.values("lengths");
  call.submit(p.flops(), scratch);

  const int64_t last = reverse ? 0 : p.steps;
  // Copies: what is left of the states belongs to the backward pass.
  const auto final_state = [&](const Array& states) {
    const Array state = states.select(0, last);
    return x.dtype() == p.dtype ? clone(op, state) : cast(op, state, x.dtype());
  };
  result.y = cast(op, result.y, x.dtype());
  result.h_n = final_state(saved.h);
  if (lstm) result.c_n = final_state(saved.c);
  return result;
}

std::vector<std::optional<Array>> recurrent_grad(const std::string& kind_name, const Array& dy,
                                                 const Array& dh_n, const Array& dc_n, const Array& x,
                                                 const RecurrentWeights& weights, const Array& lengths,
                                                 const RecurrentSaved& saved, bool reverse,
                                                 const std::vector<bool>& wanted) {
  const RecurrentKind kind = kind_of(kind_name);
  const char* op = kKinds[kind].grad;
  const bool lstm = kKinds[kind].lstm;
  const Problem p(op, kind, x, weights, lengths, reverse);
  const int64_t wide = p.gates * p.hidden;
  MO_CHECK(wanted.size() == 8, op, "wants 8 flags, got ", wanted.size());
  const Array like = p.made({});
  p.wants(saved.gate, "the saved gate", {p.steps, p.batch, wide}, like);
  p.wants(saved.h, "the saved h", {p.steps + 1, p.batch, p.out}, like);
  if (lstm) p.wants(saved.c, "the saved c", {p.steps + 1, p.batch, p.hidden}, like);
  const bool has_inner = p.w_hr || kKinds[kind].gru;
  if (has_inner) p.wants(saved.inner, "the saved inner", {p.steps, p.batch, p.hidden}, like);
  const Array up = p.optional(dy, "dy", {p.steps, p.batch, p.out}, x);
  const Array up_h = p.optional(dh_n, "dh_n", {p.batch, p.out}, x);
  const Array up_c = lstm ? p.optional(dc_n, "dc_n", {p.batch, p.hidden}, x) : Array();

  const Array dgate = p.made({p.steps, p.batch, wide}), dh0 = p.made({p.batch, p.out});
  const Array dc0 = lstm ? p.made({p.batch, p.hidden}) : Array();
  const Array dinner = p.w_hr         ? p.made({p.steps, p.batch, p.out})
                       : kind == kGru ? p.made({p.steps, p.batch, p.hidden})
                                      : Array();
  using Args = RecurrentGradArgs;
  Launch<Args, 16> call(op, kernel_for(op, table_for(p.device).recurrent_grad[kind][p.dtype], p.dtype));
  const int64_t scratch = p.put<Args>(call);
  const Array gate = contiguous(op, saved.gate), h = contiguous(op, saved.h);
  const Array c = lstm ? contiguous(op, saved.c) : Array();
  const Array inner = has_inner ? contiguous(op, saved.inner) : Array();
  call.read(&Args::gate, gate);
  call.read(&Args::h, h);
  if (c) call.read(&Args::c, c);
  if (inner) call.read(&Args::inner, inner);
  if (up) call.read(&Args::dy, up);
  if (up_h) call.read(&Args::dh_n, up_h);
  if (up_c) call.read(&Args::dc_n, up_c);
  call.write(&Args::dgate, dgate);
  if (dinner) call.write(&Args::dinner, dinner);
  call.write(&Args::dh0, dh0);
  if (dc0) call.write(&Args::dc0, dc0);
  call.submit(p.flops(), scratch);

  // The rest is products over all steps and rows at once.
  std::vector<std::optional<Array>> out(8);
  const auto give = [&](int at, const Array& gradient) { out[at] = cast(op, gradient, x.dtype()); };
  const Array g = p.rows(dgate), g_t = g.transpose(0, 1);
  const bool split = kKinds[kind].gru;
  // GRU's last gate sees another input (reset first) or has another gradient.
  const Array last_g = kind == kGru ? p.rows(dinner) : split ? g.slice(1, 2 * p.hidden, wide, 1) : Array();
  if (wanted[0]) give(0, matmul(g, p.w_ih).reshape_view(op, p.x.shape()));
  if (wanted[1]) give(1, matmul(g_t, p.rows(p.x)));
  if (wanted[2]) {
    const Array before = p.rows(p.before(h));
    if (split) {
      const Array dw = p.made({wide, p.out});
      matmul_into(dw.slice(0, 0, 2 * p.hidden, 1), g_t.slice(0, 0, 2 * p.hidden, 1), before, false);
      matmul_into(dw.slice(0, 2 * p.hidden, wide, 1), last_g.transpose(0, 1),
                  kind == kGru ? before : p.rows(inner), false);
      give(2, dw);
    } else {
      give(2, matmul(g_t, before));
    }
  }
  Array db;
  if (wanted[3] || wanted[4]) db = reduce(kReduce_sum, g, {0}, false);
  if (wanted[3]) give(3, db);
  if (wanted[4] && kind == kGru)
    give(4, cat({db.slice(0, 0, 2 * p.hidden, 1), reduce(kReduce_sum, last_g, {0}, false)}, 0));
  else if (wanted[4])
    give(4, wanted[3] ? clone(op, db) : db);
  if (wanted[5] && p.w_hr) give(5, matmul(p.rows(dinner).transpose(0, 1), p.rows(inner)));
  if (wanted[6]) give(6, dh0);
  if (wanted[7] && lstm) give(7, dc0);
  return out;
}

}  // namespace markone
