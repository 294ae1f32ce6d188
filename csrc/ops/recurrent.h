// Recurrent layers: one layer in one direction over all time steps.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/array.h"

namespace markone {

// All of x's type. Empty where there is none.
struct RecurrentWeights {
  Array w_ih;        // [gates * hidden, in]
  Array w_hh;        // [gates * hidden, out]
  Array b_ih, b_hh;  // [gates * hidden]
  Array w_hr;        // [out, hidden]: the projection of an LSTM, out < hidden
};

// What the backward pass needs, in the type of the computation; see contract/recurrent.h.
struct RecurrentSaved {
  Array gate, h, c, inner;
};

struct RecurrentResult {
  Array y;         // [steps, batch, out], 0 beyond a length
  Array h_n, c_n;  // [batch, out], [batch, hidden]; c_n of an LSTM alone
  RecurrentSaved saved;
};

// kind: "rnn_tanh", "rnn_relu", "lstm", "lstm_sigmoid", "gru" or "gru_reset_first". x: [steps, batch, in]; h0
// [batch, out] and c0 [batch, hidden] may be empty: 0. lengths: int64 [batch], how many steps each row has,
// or empty: all. With `reverse` each row starts at its own last step. IndexError for a length outside [0,
// steps].
RecurrentResult recurrent(const std::string& kind, const Array& x, const RecurrentWeights& weights,
                          const Array& h0, const Array& c0, const Array& lengths, bool reverse);

// The gradients of x, w_ih, w_hh, b_ih, b_hh, w_hr, h0 and c0, each where `wanted` says so. dy, dh_n and dc_n
// may be empty: 0.
std::vector<std::optional<Array>> recurrent_grad(const std::string& kind, const Array& dy, const Array& dh_n,
                                                 const Array& dc_n, const Array& x,
                                                 const RecurrentWeights& weights, const Array& lengths,
                                                 const RecurrentSaved& saved, bool reverse,
                                                 const std::vector<bool>& wanted);

}  // namespace markone
