// Philox random numbers and dropout.
#include "ops/random.h"

#include "bind/common.h"
#include "bind/method.h"

namespace markone::bind {
namespace {

// Any Python integer of 64 bits, signed or not; a negative one is its two's complement, as in PyTorch.
uint64_t seed_of(const py::int_& number) {
  const auto low = py::int_(INT64_MIN), high = py::int_(UINT64_MAX);
  MO_CHECK(number >= low && number <= high, "manual_seed", "got ", std::string(py::str(number)),
           ", wanted -2^63 <= seed < 2^64");
  return PyLong_AsUnsignedLongLongMask(number.ptr());
}

const Generator& or_default(const Generator* generator, Device device = {}) {
  return generator ? *generator : default_generator(device);
}

}  // namespace

void bind_random(py::module_& m) {
  py::class_<Generator>(m, "Generator", "A stream of Philox4x32-10 random numbers.", py::is_final())
      .def(py::init([](const py::int_& seed, Device device) { return Generator(seed_of(seed), device); }),
           py::arg("seed") = py::int_(uint64_t{67280421310721}), py::arg("device") = Device{})
      .def_property_readonly("device", method(&Generator::device))
      .def(
          "manual_seed",
          [](py::object self, const py::int_& seed) {
            self.cast<Generator&>().manual_seed(seed_of(seed));
            return self;
          },
          py::arg("seed"), "Starts the stream of this seed from its beginning; returns the generator.")
      .def("initial_seed", method(&Generator::initial_seed))
      .def("seed", method(&Generator::seed), "Takes a seed from the operating system and returns it.")
      .def_property_readonly("state", method(&Generator::state),
                             "int64[2]: the seed and the next block; the kernels' own.")
      .def("get_state", [](const Generator& g) { return clone("get_state", g.state()); })
      .def("set_state", method(&Generator::set_state), py::arg("state"));
  m.attr("default_generator") = default_generator();
  m.def(
      "default_generator_of", [](Device device) { return default_generator(device); }, py::arg("device"),
      "The device's own generator; it starts from the seed that the cpu's has then.");

  constexpr auto kNone = nullptr;
  const auto gen = [&] { return py::arg("gen") = static_cast<const Generator*>(kNone); };
  m.def(
      "random_bits", [](int64_t n, const Generator* g) { return random_bits(n, or_default(g)); },
      py::arg("n"), gen());
  m.def(
      "uniform",
      [](const Dims& shape, DType dtype, double low, double high, const Generator* g) {
        return uniform(shape, dtype, low, high, or_default(g));
      },
      py::arg("shape"), py::arg("dtype"), py::arg("low") = 0.0, py::arg("high") = 1.0, gen());
  m.def(
      "uniform_into",
      [](const Array& out, double low, double high, const Generator* g) {
        uniform_into(out, low, high, or_default(g));
      },
      py::arg("out"), py::arg("low") = 0.0, py::arg("high") = 1.0, gen());
  m.def(
      "normal",
      [](const Dims& shape, DType dtype, double mean, double std, const Generator* g) {
        return normal(shape, dtype, mean, std, or_default(g));
      },
      py::arg("shape"), py::arg("dtype"), py::arg("mean") = 0.0, py::arg("std") = 1.0, gen());
  m.def(
      "normal_into",
      [](const Array& out, double mean, double std, const Generator* g) {
        normal_into(out, mean, std, or_default(g));
      },
      py::arg("out"), py::arg("mean") = 0.0, py::arg("std") = 1.0, gen());
  m.def(
      "randint",
      [](const Dims& shape, int64_t low, int64_t high, DType dtype, const Generator* g) {
        return randint(shape, low, high, dtype, or_default(g));
      },
      py::arg("shape"), py::arg("low"), py::arg("high"), py::arg("dtype"), gen());
  m.def(
      "randperm", [](int64_t n, const Generator* g) { return randperm(n, or_default(g)); }, py::arg("n"),
      gen());
  m.def(
      "bernoulli", [](const Array& p, const Generator* g) { return bernoulli(p, or_default(g, p.device())); },
      py::arg("p"), gen());
  m.def(
      "dropout",
      [](const Array& x, double p, const Generator* g) { return dropout(x, p, or_default(g, x.device())); },
      py::arg("x"), py::arg("p"), gen(), "y and the bool mask of what was kept.");
  m.def("dropout_grad", &dropout_grad, py::arg("g"), py::arg("mask"), py::arg("p"));
}

}  // namespace markone::bind
