// Elementwise operations: one binding an entry of kernels/common/elementwise.def.
#include <array>
#include <map>
#include <tuple>

#include "bind/operation.h"

namespace markone::bind {
namespace {

// ---- the same as whole operations on Tensors ----

// A Tensor or a Python number among the arguments of an operation.
struct Side {
  py::object value;  // its Array object, or the number
  Operand operand;
  bool requires_grad = false;
  PyObject* tensor = nullptr;

  // False where it is neither.
  bool load(PyObject* object) {
    const TensorLayout& layout = tensor_layout();
    if (layout.is_tensor(object)) {
      if (!fresh_view(object)) throw py::error_already_set();
      tensor = object;
      const Array* array = layout.array_of(object);
      // Its class says why it has no values.
      if (!array) py::handle(object).attr("_array").cast<Array>();
      value = py::reinterpret_borrow<py::object>(slot(object, layout.array));
      operand = Operand(*array);
      requires_grad = layout.requires_grad_of(object);
      return true;
    }
    if (!PyFloat_Check(object) && !PyLong_Check(object)) return false;
    py::detail::make_caster<Operand> caster;
    caster.load(object, false);
    operand = py::detail::cast_op<Operand&>(caster);
    value = py::reinterpret_borrow<py::object>(object);
    return true;
  }
  py::object edge() const {
    if (!requires_grad) return py::none();
    PyObject* found = edge_of(tensor);
    if (!found) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(found);
  }
};

py::object unary_form(const Operation& self, PyObject* const* args, size_t count) {
  Side x;
  if (count != 1 || !tensor_layout().is_tensor(args[0]) || !x.load(args[0])) return {};
  py::object y = py::cast(unary(static_cast<UnaryOp>(self.entry), x.operand.array));
  py::object node;
  if (x.requires_grad && Modes::now().grad == Py_True) {
    const bool* uses = self.uses[0];
    node = make_node(py::reinterpret_borrow<py::object>(self.node_op), py::make_tuple(x.edge()),
                     py::make_tuple(uses[0] ? x.value : py::none(), uses[2] ? y : py::none()), py::none());
  }
  return finished(std::move(y), node, self.name, args, count);
}

// What the gradients of two inputs must be shrunk to, (None, shape, dtype) each; None where they are alike.
py::object spec_of(const Side& a, const Side& b) {
  const Array &x = a.operand.array, &y = b.operand.array;
  if (!a.tensor || !b.tensor || (x.dtype() == y.dtype() && x.shape() == y.shape())) return py::none();
  return py::make_tuple(py::make_tuple(py::none(), x.shape(), x.dtype()),
                        py::make_tuple(py::none(), y.shape(), y.dtype()));
}

py::object binary_form(const Operation& self, PyObject* const* args, size_t count) {
  Side a, b;
  if (count != 2 || !a.load(args[0]) || !b.load(args[1])) return {};
  py::object y = py::cast(binary(static_cast<BinaryOp>(self.entry), a.operand, b.operand));
  py::object node;
  if ((a.requires_grad || b.requires_grad) && Modes::now().grad == Py_True) {
    const auto kept = [&](int what, const py::object& value) {
      const bool used = (a.requires_grad && self.uses[0][what]) || (b.requires_grad && self.uses[1][what]);
      return used ? value : py::none();
    };
    const bool saves = self.uses[0][0] || self.uses[0][1] || self.uses[0][2] || self.uses[1][0] ||
                       self.uses[1][1] || self.uses[1][2];
    py::tuple saved = saves ? py::make_tuple(kept(0, a.value), kept(1, b.value), kept(2, y)) : py::tuple();
    node = make_node(py::reinterpret_borrow<py::object>(self.node_op), py::make_tuple(a.edge(), b.edge()),
                     std::move(saved), spec_of(a, b));
  }
  return finished(std::move(y), node, self.name, args, count);
}

py::object compare_form(const Operation& self, PyObject* const* args, size_t count) {
  Side a, b;
  if (count != 2 || !a.load(args[0]) || !b.load(args[1])) return {};
  return finished(py::cast(compare(static_cast<CompareOp>(self.entry), a.operand, b.operand)), {}, self.name,
                  args, count);
}

py::object test_form(const Operation& self, PyObject* const* args, size_t count) {
  Side x;
  if (count != 1 || !tensor_layout().is_tensor(args[0]) || !x.load(args[0])) return {};
  return finished(py::cast(test(static_cast<TestOp>(self.entry), x.operand.array)), {}, self.name, args,
                  count);
}

}  // namespace

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
  struct Ternary {
    TernaryOp op;
    const char* name;
    int ulp;
  };
  constexpr Ternary kTernary[] = {
#define MO_TERNARY(name, value, ulp, types) {kTernary_##name, #name, ulp},
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
  // The list's operations by name: how each is called on Tensors, and its place in its list.
  static std::map<std::string, std::pair<NativeForm, int>, std::less<>> forms;
  py::dict unary_derivatives, binary_derivatives, ulps;
  for (const Unary& u : kUnary) {
    const UnaryOp op = u.op;
    forms[u.name] = {unary_form, op};
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
    forms[b.name] = {binary_form, op};
    m.def(
        b.name, [op](const Operand& x, const Operand& y) { return binary(op, x, y); }, py::arg("a"),
        py::arg("b"));
    // The gradient of a (which = 0) or of b (1).
    m.def((std::string(b.name) + "_grad").c_str(),
          [op](int which, const Array& g, const Operand& x, const Operand& y) {
            return binary_grad(op, which, g, x, y);
          },
          py::arg("which"), py::arg("g"), py::arg("a"), py::arg("b"));
    m.def((std::string(b.name) + "_into").c_str(),
          [op](const Array& out, const Operand& x, const Operand& y) { binary_into(op, out, x, y); });
    binary_derivatives[b.name] = py::make_tuple(b.da, b.db);
    ulps[b.name] = b.ulp;
  }
  for (const Ternary& t : kTernary) {
    const TernaryOp op = t.op;
    m.def(
        t.name, [op](const Operand& x, const Operand& a, const Operand& b) { return ternary(op, x, a, b); },
        py::arg("x"), py::arg("a"), py::arg("b"));
    ulps[t.name] = t.ulp;
  }
  for (const Compare& c : kCompare) {
    const CompareOp op = c.op;
    forms[c.name] = {compare_form, op};
    m.def(
        c.name, [op](const Operand& x, const Operand& y) { return compare(op, x, y); }, py::arg("a"),
        py::arg("b"));
  }
  for (const Test& t : kTest) {
    const TestOp op = t.op;
    forms[t.name] = {test_form, op};
    m.def(t.name, [op](const Array& x) { return test(op, x); }, py::arg("x"));
  }
  m.def(
      "elementwise_operation",
      [](const py::object& function, const std::string& name, const py::object& node,
         const std::array<std::array<bool, 3>, 2>& uses) {
        const auto found = forms.find(name);
        MO_CHECK(found != forms.end(), "elementwise_operation", "there is no ", name);
        Operation* made;
        const py::object out = make_operation(function, &made);
        made->name = found->first.c_str();
        std::tie(made->form, made->entry) = found->second;
        made->node_op = py::object(node).release().ptr();
        for (size_t i = 0; i < 2; ++i) std::copy_n(uses[i].begin(), 3, made->uses[i]);
        return out;
      },
      py::arg("function"), py::arg("name"), py::arg("node"), py::arg("uses"),
      "An entry of the list as an operation on Tensors and numbers; `function` gets every other call.");
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
  m.def(
      "full",
      [](const Dims& shape, DType dtype, const Operand& value) {
        const Array out = Array::empty("full", shape, dtype);
        MO_CHECK_TYPE(value.kind != Operand::kArray, "full", "wants a number");
        fill("full", out, value.scalar);
        return out;
      },
      py::arg("shape"), py::arg("dtype"), py::arg("value"), "A new Array of one number.");
  m.def("contiguous", [](const Array& x) { return contiguous("contiguous", x); });
  m.def("cast", [](const Array& x, DType dtype) { return cast("to", x, dtype); });
  m.def("clone", [](const Array& x) { return clone("clone", x); });
}

}  // namespace markone::bind
