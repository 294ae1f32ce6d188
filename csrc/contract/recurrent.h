// Recurrent layers: all time steps of one layer in one direction, after the product of the input with its
// weight and before the products that give the gradients of input and weights.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// With s the logistic function, a(t) the gates' input part, u(t) = h(t-1) w^T + bias, per gate:
//   kRnnTanh, kRnnRelu: h = f(a + u)
//   kLstm, kLstmSigmoid (gates i, f, g, o): c = s(f) c(t-1) + s(i) q(g), h = s(o) q(c), q tanh or s;
//     with a projection the product of that with proj^T
//   kGru (gates r, z, n): n = tanh(a_n + s(r) u_n), h = (1 - s(z)) n + s(z) h(t-1)
//   kGruResetFirst: the same with n = tanh(a_n + (s(r) h(t-1)) w_n^T + bias_n)
enum RecurrentKind : int64_t {
  kRnnTanh,
  kRnnRelu,
  kLstm,
  kLstmSigmoid,
  kGru,
  kGruResetFirst,
  kRecurrentKinds
};

// No kernel takes more rows of the batch at a time. Scratch is sized by it.
inline constexpr int64_t kRecurrentRows = 32;
// What rounding columns up to whole panels may add, and what packing may write past its end.
inline constexpr int64_t kRecurrentSlack = 64;

// Row n takes the steps [0, lengths[n]), from the last one down where `reverse`. Beyond, its state stays and
// y is 0. The reference needs no scratch; the others `weights` and `slots` * `block` numbers.
struct RecurrentArgs {
  int64_t steps, batch, hidden;
  int64_t out;    // numbers in h: hidden, or fewer with a projection
  int64_t gates;  // in units of hidden: 1, 4 or 3
  int64_t reverse;
  const int64_t* lengths;  // [batch], each in [0, steps], or null: all steps
  const void* w;           // [gates * hidden, out]
  const void* bias;        // [gates * hidden], or null
  const void* proj;        // [out, hidden], or null
  const void* h0;          // [batch, out], or null: 0
  const void* c0;          // [batch, hidden], or null: 0
  void* gate;              // [steps, batch, gates * hidden]: on entry a(t), on return the gates' values
  void* h;  // [steps + 1, batch, out]: each state; h0 is the first, or the last where `reverse`
  void* c;  // [steps + 1, batch, hidden] likewise, LSTM alone
  // [steps, batch, hidden]: with a projection what is projected, kGru u_n, kGruResetFirst s(r) h(t-1).
  void* inner;
  void* y;                 // [steps, batch, out], or null: what h holds
  int64_t weights, block;  // numbers of scratch
  int64_t slots;
};

struct RecurrentGradArgs {
  int64_t steps, batch, hidden, out, gates, reverse;
  const int64_t* lengths;
  const void* w;
  const void* proj;
  const void* gate;  // these four as the forward pass left them
  const void* h;
  const void* c;
  const void* inner;
  const void* dy;    // [steps, batch, out], or null: 0
  const void* dh_n;  // [batch, out], or null: 0
  const void* dc_n;  // [batch, hidden], or null: 0
  void* dgate;       // [steps, batch, gates * hidden]: the gradient of a(t), 0 beyond a length
  // With a projection the gradient of h(t), [steps, batch, out]; kGru that of u_n, [steps, batch, hidden].
  void* dinner;
  void* dh0;  // [batch, out]
  void* dc0;  // [batch, hidden], LSTM alone
  int64_t weights, block, slots;
};

struct RecurrentKernels {
  Entry<RecurrentArgs> recurrent[kRecurrentKinds][kDTypeCount];
  Entry<RecurrentGradArgs> recurrent_grad[kRecurrentKinds][kDTypeCount];
};

}  // namespace markone
