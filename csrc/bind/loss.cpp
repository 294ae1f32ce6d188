// Losses of each element, an operation and its gradient for each entry of kernels/common/loss.def, and CTC.
#include "ops/loss.h"

#include "bind/common.h"

namespace markone::bind {

void bind_loss(py::module_& m) {
  py::dict formulas;
  for (int i = 0; i < kLossCount; ++i) {
    const LossFormula& f = kLossFormulas[i];
    const auto op = static_cast<LossOp>(i);
    m.def(
        f.name,
        [op](const Array& x, const Array& y, const Array* w, double p, const std::string& reduction) {
          return loss(op, x, y, or_empty(w), p, reduction);
        },
        py::arg("x"), py::arg("y"), py::arg("w"), py::arg("p"), py::arg("reduction"));
    m.def((std::string(f.name) + "_grad").c_str(),
          [op](const Array& g, const Array& x, const Array& y, const Array* w, double p,
               const std::string& reduction, const std::array<bool, 3>& wanted) {
            const std::array<Array, 3> grads = loss_grad(op, g, x, y, or_empty(w), p, reduction, wanted);
            py::tuple out(3);
            for (int k = 0; k < 3; ++k) out[k] = grads[k] ? py::cast(grads[k]) : py::none();
            return out;
          },
          py::arg("g"), py::arg("x"), py::arg("y"), py::arg("w"), py::arg("p"), py::arg("reduction"),
          py::arg("wanted"));
    formulas[f.name] = py::make_tuple(f.value, f.derivative[0], f.derivative[1], f.derivative[2]);
  }
  // The formulas as text, for gradients of gradients.
  m.attr("loss_formulas") = formulas;
  m.def(
      "ctc",
      [](const Array& x, const Array& targets, const Array& input_lengths, const Array& target_lengths,
         int64_t blank, bool save) {
        auto [loss, saved] = ctc(x, targets, input_lengths, target_lengths, blank, save);
        return py::make_tuple(loss, saved ? py::cast(saved) : py::none());
      },
      py::arg("x"), py::arg("targets"), py::arg("input_lengths"), py::arg("target_lengths"), py::arg("blank"),
      py::arg("save"));
  m.def("ctc_grad", &ctc_grad, py::arg("g"), py::arg("x"), py::arg("targets"), py::arg("input_lengths"),
        py::arg("target_lengths"), py::arg("blank"), py::arg("loss"), py::arg("saved"));
}

}  // namespace markone::bind
