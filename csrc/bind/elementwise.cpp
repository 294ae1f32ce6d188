// Elementwise operations: one binding an entry of kernels/common/elementwise.def.
#include "bind/common.h"

namespace markone::bind {

void bind_elementwise(py::module_& m) {
  struct Unary {
    UnaryOp op;
    const char *name, *derivative;
    int ulp;
  };
  struct Binary {
    BinaryOp op;
    const char *name, *da, *db;
    int ulp;
  };
  struct Compare {
    CompareOp op;
    const char* name;
  };
  struct Test {
    TestOp op;
    const char* name;
  };
  constexpr Unary kUnary[] = {
#define MO_UNARY(name, value, derivative, ulp, types) {kUnary_##name, #name, #derivative, ulp},
#include "kernels/common/elementwise.def"
  };
  constexpr Binary kBinary[] = {
#define MO_BINARY(name, value, da, db, ulp, types) {kBinary_##name, #name, #da, #db, ulp},
#include "kernels/common/elementwise.def"
  };
  constexpr Compare kCompare[] = {
#define MO_COMPARE(name, ...) {kCompare_##name, #name},
#include "kernels/common/elementwise.def"
  };
  constexpr Test kTest[] = {
#define MO_TEST(name, ...) {kTest_##name, #name},
#include "kernels/common/elementwise.def"
  };
  py::dict unary_derivatives, binary_derivatives, ulps;
  for (const Unary& u : kUnary) {
    const UnaryOp op = u.op;
    m.def(u.name, [op](const Array& x) { return unary(op, x); }, py::arg("x"));
    m.def((std::string(u.name) + "_grad").c_str(),
          [op](const Array& g, const Array* x, const Array* y) {
            return unary_grad(op, g, x ? *x : Array(), y ? *y : Array());
          },
          py::arg("g"), py::arg("x"), py::arg("y"));
    m.def((std::string(u.name) + "_into").c_str(),
          [op](const Array& out, const Array& x) { unary_into(op, out, x); });
    unary_derivatives[u.name] = u.derivative;
    ulps[u.name] = u.ulp;
  }
  for (const Binary& b : kBinary) {
    const BinaryOp op = b.op;
    m.def(
        b.name, [op](const Operand& x, const Operand& y) { return binary(op, x, y); }, py::arg("a"),
        py::arg("b"));
    m.def((std::string(b.name) + "_into").c_str(),
          [op](const Array& out, const Operand& x, const Operand& y) { binary_into(op, out, x, y); });
    binary_derivatives[b.name] = py::make_tuple(b.da, b.db);
    ulps[b.name] = b.ulp;
  }
  for (const Compare& c : kCompare) {
    const CompareOp op = c.op;
    m.def(
        c.name, [op](const Operand& x, const Operand& y) { return compare(op, x, y); }, py::arg("a"),
        py::arg("b"));
  }
  for (const Test& t : kTest) {
    const TestOp op = t.op;
    m.def(t.name, [op](const Array& x) { return test(op, x); }, py::arg("x"));
  }
  // The derivative formulas as text, for gradients of gradients.
  m.attr("unary_derivatives") = unary_derivatives;
  m.attr("binary_derivatives") = binary_derivatives;
  // The bound that the list gives for the error of the float32 and float64 kernels.
  m.attr("elementwise_ulp") = ulps;

  m.def("where", &where, py::arg("condition"), py::arg("a"), py::arg("b"));
  m.def("copy_into", [](const Array& out, const Array& in) { copy_into("copy_", out, in); });
  m.def("fill", [](const Array& out, const Operand& value) {
    if (value.kind != Operand::kArray) return fill("fill_", out, value.scalar);
    MO_CHECK(value.array.ndim() == 0, "fill_", "wants a number or a 0-d array, got shape ",
             value.array.shape());
    copy_into("fill_", out, value.array);
  });
  m.def("contiguous", [](const Array& x) { return contiguous("contiguous", x); });
  m.def("cast", [](const Array& x, DType dtype) { return cast("to", x, dtype); });
  m.def("clone", [](const Array& x) { return clone("clone", x); });
}

}  // namespace markone::bind
