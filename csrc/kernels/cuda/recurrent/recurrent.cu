// Recurrent layers, a few launches a step: a warp for each state forward, so that it reads its weights'
// rows together; backward a thread, whose neighbours read the columns beside its own.
#include "contract/recurrent.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

__device__ double logistic(double x) { return 1 / (1 + ::exp(-x)); }

// Where step t of a pass reads and writes its state.
template <class Args>
MO_SCALAR int64_t before(const Args& a, int64_t t) {
  return a.reverse ? t + 1 : t;
}
template <class Args>
MO_SCALAR int64_t after(const Args& a, int64_t t) {
  return a.reverse ? t : t + 1;
}
template <class Args>
__device__ bool active(const Args& a, int64_t row, int64_t t) {
  return !a.lengths || t < a.lengths[row];
}
// Row `row` of step t in an array [.., batch, n].
template <class T, class P, class Args>
MO_SCALAR T* at(P* p, const Args& a, int64_t t, int64_t row, int64_t n) {
  return static_cast<T*>(p) + (t * a.batch + row) * n;
}

// sum_k x[k] w[k], by a team.
template <class Team, class T>
__device__ double dot(const T* x, const T* w, int64_t n) {
  double sum = 0;
  for (int64_t k = Team::rank(); k < n; k += Team::kSize) sum += static_cast<double>(x[k]) * w[k];
  return Team::sum(sum);
}
// sum_k x[k] w[k * stride], by one thread.
template <class T>
__device__ double column(const T* x, const T* w, int64_t n, int64_t stride) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * w[k * stride];
  return sum;
}

// Step t of unit j of a row: all of it, or the first of two phases.
template <RecurrentKind kKind, class T>
struct Step {
  RecurrentArgs a;
  int64_t t;
  template <class Team>
  __device__ void line(int64_t e) const {
    const int64_t n = a.hidden, r = a.out, row = e / n, j = e % n;
    const bool first = Team::rank() == 0;
    T* gate = at<T>(a.gate, a, t, row, a.gates * n);
    const T* h = at<T>(a.h, a, before(a, t), row, r);
    T* next = at<T>(a.h, a, after(a, t), row, r);
    T* inner = a.inner ? at<T>(a.inner, a, t, row, n) : nullptr;
    const T* c = a.c ? at<T>(a.c, a, before(a, t), row, n) : nullptr;
    T* c_next = a.c ? at<T>(a.c, a, after(a, t), row, n) : nullptr;
    if (!active(a, row, t)) {
      if (!first) return;
      if (!a.proj) next[j] = h[j];
      if (c) c_next[j] = c[j];
      if (inner) inner[j] = 0;
      if (a.y && !a.proj) at<T>(a.y, a, t, row, r)[j] = T(0);
      return;
    }
    const T *w = static_cast<const T*>(a.w), *bias = static_cast<const T*>(a.bias);
    double u[4] = {0, 0, 0, 0};
    const int gates = kKind == kGruResetFirst ? 2 : static_cast<int>(a.gates);
    for (int g = 0; g < gates; ++g) {
      u[g] = dot<Team>(h, w + (g * n + j) * r, r);
      if (bias) u[g] += bias[g * n + j];
    }
    if (!first) return;
    if constexpr (kKind == kRnnTanh || kKind == kRnnRelu) {
      const double v = gate[j] + u[0];
      gate[j] = next[j] = static_cast<T>(kKind == kRnnTanh ? ::tanh(v) : v < 0 ? 0 : v);
    } else if constexpr (kKind == kLstm || kKind == kLstmSigmoid) {
      const double i = logistic(gate[j] + u[0]), f = logistic(gate[n + j] + u[1]), v = gate[2 * n + j] + u[2],
                   g = kKind == kLstm ? ::tanh(v) : logistic(v), o = logistic(gate[3 * n + j] + u[3]);
      c_next[j] = static_cast<T>(f * c[j] + i * g);
      const double q = kKind == kLstm ? ::tanh(static_cast<double>(c_next[j])) : logistic(c_next[j]);
      (a.proj ? inner : next)[j] = static_cast<T>(o * q);
      gate[j] = static_cast<T>(i);
      gate[n + j] = static_cast<T>(f);
      gate[2 * n + j] = static_cast<T>(g);
      gate[3 * n + j] = static_cast<T>(o);
    } else {
      gate[j] = static_cast<T>(logistic(gate[j] + u[0]));
      gate[n + j] = static_cast<T>(logistic(gate[n + j] + u[1]));
      inner[j] = static_cast<T>(kKind == kGru ? u[2] : static_cast<double>(gate[j]) * h[j]);
      if (kKind == kGruResetFirst) return;
      const double z = gate[n + j], v = ::tanh(gate[2 * n + j] + static_cast<double>(gate[j]) * inner[j]);
      gate[2 * n + j] = static_cast<T>(v);
      next[j] = static_cast<T>((1 - z) * v + z * h[j]);
    }
    if (a.y && !a.proj) at<T>(a.y, a, t, row, r)[j] = next[j];
  }
};
// The second phase: what needs every unit of the first.
template <class T>
struct Projection {
  RecurrentArgs a;
  int64_t t;
  template <class Team>
  __device__ void line(int64_t e) const {
    const int64_t n = a.hidden, r = a.out, row = e / r, j = e % r;
    const bool runs = active(a, row, t);
    const double sum =
        runs ? dot<Team>(at<const T>(a.inner, a, t, row, n), static_cast<const T*>(a.proj) + j * n, n) : 0;
    if (Team::rank() != 0) return;
    T* next = at<T>(a.h, a, after(a, t), row, r);
    next[j] = runs ? static_cast<T>(sum) : at<T>(a.h, a, before(a, t), row, r)[j];
    if (a.y) at<T>(a.y, a, t, row, r)[j] = runs ? next[j] : T(0);
  }
};
template <class T>
struct ResetFirst {
  RecurrentArgs a;
  int64_t t;
  template <class Team>
  __device__ void line(int64_t e) const {
    const int64_t n = a.hidden, row = e / n, j = e % n;
    if (!active(a, row, t)) return;
    double u = dot<Team>(at<const T>(a.inner, a, t, row, n), static_cast<const T*>(a.w) + (2 * n + j) * n, n);
    if (Team::rank() != 0) return;
    if (a.bias) u += static_cast<const T*>(a.bias)[2 * n + j];
    T* gate = at<T>(a.gate, a, t, row, 3 * n);
    T* next = at<T>(a.h, a, after(a, t), row, n);
    const double z = gate[n + j], v = ::tanh(gate[2 * n + j] + u);
    gate[2 * n + j] = static_cast<T>(v);
    next[j] = static_cast<T>((1 - z) * v + z * at<T>(a.h, a, before(a, t), row, n)[j]);
    if (a.y) at<T>(a.y, a, t, row, n)[j] = next[j];
  }
};

template <RecurrentKind kKind, class T>
void forward(const RecurrentArgs* args, const Run* run) {
  const RecurrentArgs a = *args;
  const int64_t start = before(a, a.reverse ? a.steps - 1 : 0), n = a.hidden, r = a.out;
  const Reporter report = reporter(run);
  each(run, a.batch * (n > r ? n : r), [=] __device__(int64_t e) {
    const int64_t wide = n > r ? n : r, row = e / wide, j = e % wide;
    if (j == 0 && a.lengths && (a.lengths[row] < 0 || a.lengths[row] > a.steps))
      report(row, a.lengths[row], 0, a.steps + 1);
    if (j < r) at<T>(a.h, a, start, row, r)[j] = a.h0 ? static_cast<const T*>(a.h0)[row * r + j] : T(0);
    if (a.c && j < n)
      at<T>(a.c, a, start, row, n)[j] = a.c0 ? static_cast<const T*>(a.c0)[row * n + j] : T(0);
  });
  for (int64_t s = 0; s < a.steps; ++s) {
    const int64_t t = a.reverse ? a.steps - 1 - s : s;
    each_line(run, a.batch * n, r, 1, Step<kKind, T>{a, t});
    if (a.proj) each_line(run, a.batch * r, n, 1, Projection<T>{a, t});
    if (kKind == kGruResetFirst) each_line(run, a.batch * n, n, 1, ResetFirst<T>{a, t});
  }
}

template <RecurrentKind kKind, class T>
void backward(const RecurrentGradArgs* args, const Run* run) {
  const RecurrentGradArgs a = *args;
  const int64_t n = a.hidden, r = a.out, wide = n > r ? n : r;
  // dh and dc of the step at hand live where those of the first are wanted.
  each(run, a.batch * wide, [=] __device__(int64_t e) {
    const int64_t row = e / wide, j = e % wide;
    if (j < r)
      static_cast<T*>(a.dh0)[row * r + j] = a.dh_n ? static_cast<const T*>(a.dh_n)[row * r + j] : T(0);
    if (a.dc0 && j < n)
      static_cast<T*>(a.dc0)[row * n + j] = a.dc_n ? static_cast<const T*>(a.dc_n)[row * n + j] : T(0);
  });
  for (int64_t s = a.steps - 1; s >= 0; --s) {
    const int64_t t = a.reverse ? a.steps - 1 - s : s;
    // What comes from above joins dh; with a projection it is kept too.
    each(run, a.batch * r, [=] __device__(int64_t e) {
      const int64_t row = e / r, j = e % r;
      const bool runs = active(a, row, t);
      T* dh = static_cast<T*>(a.dh0) + e;
      if (runs && a.dy) *dh += at<const T>(a.dy, a, t, row, r)[j];
      if (a.proj) at<T>(a.dinner, a, t, row, r)[j] = runs ? *dh : T(0);
    });
    each(run, a.batch * n, [=] __device__(int64_t e) {
      const int64_t row = e / n, j = e % n;
      T* dgate = at<T>(a.dgate, a, t, row, a.gates * n);
      if (!active(a, row, t)) {
        for (int64_t g = 0; g < a.gates; ++g) dgate[g * n + j] = T(0);
        if (a.dinner && !a.proj) at<T>(a.dinner, a, t, row, n)[j] = T(0);
        return;
      }
      const T *gate = at<const T>(a.gate, a, t, row, a.gates * n),
              *h = at<const T>(a.h, a, before(a, t), row, r);
      const double up =
          a.proj ? column(at<const T>(a.dinner, a, t, row, r), static_cast<const T*>(a.proj) + j, r, n)
                 : static_cast<double>(static_cast<T*>(a.dh0)[row * r + j]);
      if constexpr (kKind == kRnnTanh || kKind == kRnnRelu) {
        const double v = gate[j];
        dgate[j] = static_cast<T>(kKind == kRnnTanh ? up * (1 - v * v) : v > 0 ? up : 0);
      } else if constexpr (kKind == kLstm || kKind == kLstmSigmoid) {
        const T c = at<const T>(a.c, a, after(a, t), row, n)[j],
                c_before = at<const T>(a.c, a, before(a, t), row, n)[j];
        T* dc = static_cast<T*>(a.dc0) + e;
        const double i = gate[j], f = gate[n + j], g = gate[2 * n + j], o = gate[3 * n + j];
        const double q = kKind == kLstm ? ::tanh(static_cast<double>(c)) : logistic(c);
        const double dq = kKind == kLstm ? 1 - q * q : q * (1 - q),
                     dg = kKind == kLstm ? 1 - g * g : g * (1 - g);
        const double d = *dc + up * o * dq;
        dgate[j] = static_cast<T>(d * g * i * (1 - i));
        dgate[n + j] = static_cast<T>(d * c_before * f * (1 - f));
        dgate[2 * n + j] = static_cast<T>(d * i * dg);
        dgate[3 * n + j] = static_cast<T>(up * q * o * (1 - o));
        *dc = static_cast<T>(d * f);
      } else {
        const double z = gate[n + j], v = gate[2 * n + j];
        dgate[n + j] = static_cast<T>(up * (h[j] - v) * z * (1 - z));
        dgate[2 * n + j] = static_cast<T>(up * (1 - z) * (1 - v * v));
        if (kKind == kGru) {
          const double reset = gate[j], dn = dgate[2 * n + j];
          dgate[j] = static_cast<T>(dn * at<const T>(a.inner, a, t, row, n)[j] * reset * (1 - reset));
          at<T>(a.dinner, a, t, row, n)[j] = static_cast<T>(dn * reset);
        }
      }
    });
    if (kKind == kGruResetFirst) {
      each(run, a.batch * n, [=] __device__(int64_t e) {
        const int64_t row = e / n, j = e % n;
        if (!active(a, row, t)) return;
        T* dgate = at<T>(a.dgate, a, t, row, 3 * n);
        T* dh = static_cast<T*>(a.dh0) + e;
        const T* gate = at<const T>(a.gate, a, t, row, 3 * n);
        const double reset = gate[j];
        const double d = column(dgate + 2 * n, static_cast<const T*>(a.w) + 2 * n * r + j, n, r);
        dgate[j] = static_cast<T>(d * at<const T>(a.h, a, before(a, t), row, r)[j] * reset * (1 - reset));
        *dh = static_cast<T>(*dh * static_cast<double>(gate[n + j]) + d * reset);
      });
    }
    each(run, a.batch * r, [=] __device__(int64_t e) {
      const int64_t row = e / r, j = e % r;
      if (!active(a, row, t)) return;
      const T *dgate = at<const T>(a.dgate, a, t, row, a.gates * n), *w = static_cast<const T*>(a.w) + j;
      T* dh = static_cast<T*>(a.dh0) + e;
      if constexpr (kKind == kGru || kKind == kGruResetFirst) {
        double d = *dh;
        if (kKind == kGru) {
          d = static_cast<T>(d * at<const T>(a.gate, a, t, row, 3 * n)[n + j]);
          d += column(at<const T>(a.dinner, a, t, row, n), w + 2 * n * r, n, r);
        }
        *dh = static_cast<T>(d + column(dgate, w, 2 * n, r));
      } else {
        *dh = static_cast<T>(column(dgate, w, a.gates * n, r));
      }
    });
  }
}

template <RecurrentKind kKind>
void fill(RecurrentKernels* table, const char* const (&names)[4]) {
  table->recurrent[kKind][kF32] = {forward<kKind, float>, names[0]};
  table->recurrent[kKind][kF64] = {forward<kKind, double>, names[1]};
  table->recurrent_grad[kKind][kF32] = {backward<kKind, float>, names[2]};
  table->recurrent_grad[kKind][kF64] = {backward<kKind, double>, names[3]};
}

}  // namespace

#define MO_NAMES(kind) {kind "_f32_cuda", kind "_f64_cuda", kind "_grad_f32_cuda", kind "_grad_f64_cuda"}
void fill_recurrent(RecurrentKernels* table) {
  fill<kRnnTanh>(table, MO_NAMES("rnn_tanh"));
  fill<kRnnRelu>(table, MO_NAMES("rnn_relu"));
  fill<kLstm>(table, MO_NAMES("lstm"));
  fill<kLstmSigmoid>(table, MO_NAMES("lstm_sigmoid"));
  fill<kGru>(table, MO_NAMES("gru"));
  fill<kGruResetFirst>(table, MO_NAMES("gru_reset_first"));
}
#undef MO_NAMES

}  // namespace markone::cuda
