// Recurrent layers, one row of the batch after the other, in plain loops over double.
#include "contract/recurrent.h"

#include <math.h>

namespace markone::ref {
namespace {

double sigmoid(double x) { return 1 / (1 + exp(-x)); }

// What both passes read: how a row walks through the steps.
template <class Args>
struct Walk {
  const Args& a;
  int64_t row;
  int64_t length() const { return a.lengths ? a.lengths[row] : a.steps; }
  int64_t time(int64_t step) const { return a.reverse ? a.steps - 1 - step : step; }
  int64_t before(int64_t t) const { return a.reverse ? t + 1 : t; }
  int64_t after(int64_t t) const { return a.reverse ? t : t + 1; }
};
// Row `row` of step t in an array [.., batch, n].
template <class T, class P, class Args>
T* at(P* p, const Args& a, int64_t t, int64_t row, int64_t n) {
  return static_cast<T*>(p) + (t * a.batch + row) * n;
}

// sum_k x[k] w[k * stride]
template <class T>
double dot(const T* x, const T* w, int64_t n, int64_t stride) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * w[k * stride];
  return sum;
}

template <RecurrentKind kKind, class T>
void forward_row(const RecurrentArgs& a, int64_t row) {
  const Walk<RecurrentArgs> walk{a, row};
  const int64_t n = a.hidden, r = a.out;
  const T *w = static_cast<const T*>(a.w), *bias = static_cast<const T*>(a.bias),
          *proj = static_cast<const T*>(a.proj);
  const int64_t first = walk.before(walk.time(0));
  for (int64_t j = 0; j < r; ++j)
    at<T>(a.h, a, first, row, r)[j] = a.h0 ? static_cast<const T*>(a.h0)[row * r + j] : T(0);
  for (int64_t j = 0; a.c && j < n; ++j)
    at<T>(a.c, a, first, row, n)[j] = a.c0 ? static_cast<const T*>(a.c0)[row * n + j] : T(0);
  const auto u = [&](const T* h, int64_t g) { return dot(h, w + g * r, r, 1) + (bias ? bias[g] : T(0)); };
  for (int64_t s = 0; s < a.steps; ++s) {
    const int64_t t = walk.time(s);
    const bool active = t < walk.length();
    T* gate = at<T>(a.gate, a, t, row, a.gates * n);
    const T* h = at<T>(a.h, a, walk.before(t), row, r);
    T* next = at<T>(a.h, a, walk.after(t), row, r);
    T* inner = a.inner ? at<T>(a.inner, a, t, row, n) : nullptr;
    const T* c = a.c ? at<T>(a.c, a, walk.before(t), row, n) : nullptr;
    T* c_next = a.c ? at<T>(a.c, a, walk.after(t), row, n) : nullptr;
    T* to = inner && a.proj ? inner : next;
    if (!active) {
      for (int64_t j = 0; j < r; ++j) next[j] = h[j];
      for (int64_t j = 0; c && j < n; ++j) c_next[j] = c[j];
      for (int64_t j = 0; inner && j < n; ++j) inner[j] = 0;
    } else if constexpr (kKind == kRnnTanh || kKind == kRnnRelu) {
      for (int64_t j = 0; j < n; ++j) {
        const double v = gate[j] + u(h, j);
        gate[j] = next[j] = static_cast<T>(kKind == kRnnTanh ? tanh(v) : v < 0 ? 0 : v);
      }
    } else if constexpr (kKind == kLstm || kKind == kLstmSigmoid) {
      const auto q = [](double v) { return kKind == kLstm ? tanh(v) : sigmoid(v); };
      for (int64_t j = 0; j < n; ++j) {
        const double i = sigmoid(gate[j] + u(h, j)), f = sigmoid(gate[n + j] + u(h, n + j)),
                     g = q(gate[2 * n + j] + u(h, 2 * n + j)), o = sigmoid(gate[3 * n + j] + u(h, 3 * n + j));
        c_next[j] = static_cast<T>(f * c[j] + i * g);
        to[j] = static_cast<T>(o * q(c_next[j]));
        gate[j] = static_cast<T>(i);
        gate[n + j] = static_cast<T>(f);
        gate[2 * n + j] = static_cast<T>(g);
        gate[3 * n + j] = static_cast<T>(o);
      }
      for (int64_t j = 0; proj && j < r; ++j) next[j] = static_cast<T>(dot(inner, proj + j * n, n, 1));
    } else {
      for (int64_t j = 0; j < 2 * n; ++j) gate[j] = static_cast<T>(sigmoid(gate[j] + u(h, j)));
      for (int64_t j = 0; j < n; ++j)
        inner[j] = static_cast<T>(kKind == kGru ? u(h, 2 * n + j) : static_cast<double>(gate[j]) * h[j]);
      for (int64_t j = 0; j < n; ++j) {
        const double z = gate[n + j],
                     v = tanh(gate[2 * n + j] + (kKind == kGru ? static_cast<double>(gate[j]) * inner[j]
                                                               : u(inner, 2 * n + j)));
        gate[2 * n + j] = static_cast<T>(v);
        next[j] = static_cast<T>((1 - z) * v + z * h[j]);
      }
    }
    for (int64_t j = 0; a.y && j < r; ++j) at<T>(a.y, a, t, row, r)[j] = active ? next[j] : T(0);
  }
}

template <RecurrentKind kKind, class T>
void forward(const RecurrentArgs* a, const Run* run) {
  for (int64_t row = 0; row < a->batch; ++row) {
    if (a->lengths && (a->lengths[row] < 0 || a->lengths[row] > a->steps))
      run->report(run, row, a->lengths[row], 0, a->steps + 1);
    forward_row<kKind, T>(*a, row);
  }
}

template <RecurrentKind kKind, class T>
void backward_row(const RecurrentGradArgs& a, int64_t row) {
  const Walk<RecurrentGradArgs> walk{a, row};
  const int64_t n = a.hidden, r = a.out;
  const T *w = static_cast<const T*>(a.w), *proj = static_cast<const T*>(a.proj);
  T *dh = static_cast<T*>(a.dh0) + row * r, *dc = a.dc0 ? static_cast<T*>(a.dc0) + row * n : nullptr;
  for (int64_t j = 0; j < r; ++j) dh[j] = a.dh_n ? static_cast<const T*>(a.dh_n)[row * r + j] : T(0);
  for (int64_t j = 0; dc && j < n; ++j) dc[j] = a.dc_n ? static_cast<const T*>(a.dc_n)[row * n + j] : T(0);
  for (int64_t s = a.steps - 1; s >= 0; --s) {
    const int64_t t = walk.time(s);
    const T *gate = at<const T>(a.gate, a, t, row, a.gates * n),
            *h = at<const T>(a.h, a, walk.before(t), row, r);
    const T* inner = a.inner ? at<const T>(a.inner, a, t, row, n) : nullptr;
    T* dgate = at<T>(a.dgate, a, t, row, a.gates * n);
    const int64_t dinner_size = proj ? r : n;
    T* dinner = a.dinner ? at<T>(a.dinner, a, t, row, dinner_size) : nullptr;
    if (t >= walk.length()) {
      for (int64_t j = 0; j < a.gates * n; ++j) dgate[j] = 0;
      for (int64_t j = 0; dinner && j < dinner_size; ++j) dinner[j] = 0;
      continue;
    }
    for (int64_t j = 0; a.dy && j < r; ++j) dh[j] += at<const T>(a.dy, a, t, row, r)[j];
    if constexpr (kKind == kRnnTanh || kKind == kRnnRelu) {
      for (int64_t j = 0; j < n; ++j) {
        const double v = gate[j];
        dgate[j] = static_cast<T>(kKind == kRnnTanh ? dh[j] * (1 - v * v) : v > 0 ? dh[j] : T(0));
      }
      for (int64_t j = 0; j < r; ++j) dh[j] = static_cast<T>(dot(dgate, w + j, n, r));
    } else if constexpr (kKind == kLstm || kKind == kLstmSigmoid) {
      const auto q = [](double v) { return kKind == kLstm ? tanh(v) : sigmoid(v); };
      const auto dq = [](double v) { return kKind == kLstm ? 1 - v * v : v * (1 - v); };
      const T *c = at<const T>(a.c, a, walk.after(t), row, n),
              *c_before = at<const T>(a.c, a, walk.before(t), row, n);
      for (int64_t j = 0; proj && j < r; ++j) dinner[j] = dh[j];
      for (int64_t j = 0; j < n; ++j) {
        const double i = gate[j], f = gate[n + j], g = gate[2 * n + j], o = gate[3 * n + j], qc = q(c[j]);
        const double dm = proj ? dot(dinner, proj + j, r, n) : static_cast<double>(dh[j]);
        const double d = dc[j] + dm * o * dq(qc);
        dgate[j] = static_cast<T>(d * g * i * (1 - i));
        dgate[n + j] = static_cast<T>(d * c_before[j] * f * (1 - f));
        dgate[2 * n + j] = static_cast<T>(d * i * dq(g));
        dgate[3 * n + j] = static_cast<T>(dm * qc * o * (1 - o));
        dc[j] = static_cast<T>(d * f);
      }
      for (int64_t j = 0; j < r; ++j) dh[j] = static_cast<T>(dot(dgate, w + j, 4 * n, r));
    } else {
      for (int64_t j = 0; j < n; ++j) {
        const double z = gate[n + j], v = gate[2 * n + j];
        dgate[n + j] = static_cast<T>(dh[j] * (h[j] - v) * z * (1 - z));
        dgate[2 * n + j] = static_cast<T>(dh[j] * (1 - z) * (1 - v * v));
      }
      const T* w_n = w + 2 * n * r;
      for (int64_t j = 0; j < n; ++j) {
        const double v = gate[j], dn = dgate[2 * n + j];
        // The gradient of what r was multiplied with, and of r.
        const double dr_h = kKind == kGru ? dn * v : dot(dgate + 2 * n, w_n + j, n, r);
        const double dr = kKind == kGru ? dn * inner[j] : dr_h * h[j];
        dgate[j] = static_cast<T>(dr * v * (1 - v));
        if (kKind == kGru) dinner[j] = static_cast<T>(dr_h);
        dh[j] = static_cast<T>(dh[j] * static_cast<double>(gate[n + j]) + (kKind == kGru ? 0 : dr_h * v));
      }
      for (int64_t j = 0; j < n; ++j)
        dh[j] = static_cast<T>(dh[j] + dot(dgate, w + j, 2 * n, r) +
                               (kKind == kGru ? dot(dinner, w_n + j, n, r) : 0));
    }
  }
}

template <RecurrentKind kKind, class T>
void backward(const RecurrentGradArgs* a, const Run*) {
  for (int64_t row = 0; row < a->batch; ++row) backward_row<kKind, T>(*a, row);
}

template <RecurrentKind kKind>
void fill(RecurrentKernels* table, const char* const (&names)[4]) {
  table->recurrent[kKind][kF32] = {forward<kKind, float>, names[0]};
  table->recurrent[kKind][kF64] = {forward<kKind, double>, names[1]};
  table->recurrent_grad[kKind][kF32] = {backward<kKind, float>, names[2]};
  table->recurrent_grad[kKind][kF64] = {backward<kKind, double>, names[3]};
}

}  // namespace

#define MO_NAMES(kind) {kind "_f32_ref", kind "_f64_ref", kind "_grad_f32_ref", kind "_grad_f64_ref"}
void fill_recurrent(RecurrentKernels* table) {
  fill<kRnnTanh>(table, MO_NAMES("rnn_tanh"));
  fill<kRnnRelu>(table, MO_NAMES("rnn_relu"));
  fill<kLstm>(table, MO_NAMES("lstm"));
  fill<kLstmSigmoid>(table, MO_NAMES("lstm_sigmoid"));
  fill<kGru>(table, MO_NAMES("gru"));
  fill<kGruResetFirst>(table, MO_NAMES("gru_reset_first"));
}
#undef MO_NAMES

}  // namespace markone::ref
