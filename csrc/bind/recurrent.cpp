// Recurrent layers.
#include "ops/recurrent.h"

#include "bind/common.h"

namespace markone::bind {
namespace {

Array given(const Array* a) { return a ? *a : Array(); }
std::optional<Array> optional(const Array& a) { return a ? std::optional<Array>(a) : std::nullopt; }

}  // namespace

void bind_recurrent(py::module_& m) {
  m.def(
      "recurrent",
      [](const std::string& kind, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih,
         const Array* b_hh, const Array* w_hr, const Array* h0, const Array* c0, const Array* lengths,
         bool reverse) {
        const RecurrentResult r = recurrent(kind, x, {w_ih, w_hh, given(b_ih), given(b_hh), given(w_hr)},
                                            given(h0), given(c0), given(lengths), reverse);
        return std::make_tuple(r.y, r.h_n, optional(r.c_n), r.saved.gate, r.saved.h, optional(r.saved.c),
                               optional(r.saved.inner));
      },
      py::arg("kind"), py::arg("x"), py::arg("w_ih"), py::arg("w_hh"), py::arg("b_ih"), py::arg("b_hh"),
      py::arg("w_hr"), py::arg("h0"), py::arg("c0"), py::arg("lengths"), py::arg("reverse"),
      "y, h_n, c_n of one layer in one direction, and the four arrays that recurrent_grad takes back.");
  m.def(
      "recurrent_grad",
      [](const std::string& kind, const Array* dy, const Array* dh_n, const Array* dc_n, const Array& x,
         const Array& w_ih, const Array& w_hh, const Array* w_hr, const Array* lengths, const Array& gate,
         const Array& h, const Array* c, const Array* inner, bool reverse, const std::vector<bool>& wanted) {
        return recurrent_grad(kind, given(dy), given(dh_n), given(dc_n), x,
                              {w_ih, w_hh, Array(), Array(), given(w_hr)}, given(lengths),
                              {gate, h, given(c), given(inner)}, reverse, wanted);
      },
      py::arg("kind"), py::arg("dy"), py::arg("dh_n"), py::arg("dc_n"), py::arg("x"), py::arg("w_ih"),
      py::arg("w_hh"), py::arg("w_hr"), py::arg("lengths"), py::arg("gate"), py::arg("h"), py::arg("c"),
      py::arg("inner"), py::arg("reverse"), py::arg("wanted"),
      "The gradients of x, w_ih, w_hh, b_ih, b_hh, w_hr, h0, c0, those that are wanted.");
}

}  // namespace markone::bind
