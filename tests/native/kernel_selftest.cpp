// Every operation on every instruction set that this machine (or emulator) has, against the reference
// kernels, on random inputs: close values, the same bits for 1 and 3 threads, no byte written outside a
// buffer. Needs no Python, so it also runs cross-compiled, under sanitizers and in an emulator.
//   kernel_selftest [WORD ...]   only the cases whose name contains one of the words
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/cpu_features.h"
#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/plan.h"
#include "selftest.h"

namespace markone::selftest {
namespace {

struct Case {
  std::string name;
  std::function<std::vector<Array>()> run;
  double tolerance, floor;
  std::string op;
};

std::vector<Case> cases;

}  // namespace

void add(std::string name, double tolerance, double floor, std::function<std::vector<Array>()> run,
         std::string op) {
  cases.push_back({std::move(name), std::move(run), tolerance, floor, std::move(op)});
}

namespace {

double epsilon(DType t) { return t == kF64 ? 0x1p-52 : t == kBF16 ? 0x1p-7 : t == kF16 ? 0x1p-10 : 0x1p-23; }

uint64_t seed = 1;
double next_number() {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(seed >> 33) / 0x1p30 - 1.0;  // [-1, 1)
}

}  // namespace

Array random_array(const Dims& shape, DType dtype, double low, double high) {
  const Array x = Array::empty("selftest", shape, kF64);
  for (int64_t i = 0; i < x.numel(); ++i) x.as<double>()[i] = low + (high - low) * (next_number() + 1) / 2;
  return cast("selftest", x, dtype);
}

Array labels(const Dims& shape, int64_t count) {
  const Array x = Array::empty("selftest", shape, kI64);
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.as<int64_t>()[i] = static_cast<int64_t>((next_number() + 1) / 2 * static_cast<double>(count)) % count;
  }
  return x;
}

namespace {

std::vector<double> values(const Array& array) {
  const Array x = contiguous("selftest", array);
  std::vector<double> out(static_cast<size_t>(x.numel()));
  const auto copy = [&](const auto* from) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(from[i]);
  };
  switch (x.dtype()) {
    case kF32:
      copy(x.as<float>());
      break;
    case kF64:
      copy(x.as<double>());
      break;
    case kI64:
      copy(x.as<int64_t>());
      break;
    case kI32:
      copy(x.as<int32_t>());
      break;
    case kU8:
    case kBool:
      copy(x.as<uint8_t>());
      break;
    default:
      return values(cast("selftest", x, kF32));
  }
  return out;
}

std::string bytes(const std::vector<Array>& arrays) {
  std::string out;
  for (const Array& array : arrays) {
    const Array x = contiguous("selftest", array);
    out.append(static_cast<const char*>(x.data()), static_cast<size_t>(x.nbytes()));
  }
  return out;
}

std::vector<Array> run(const Case& c, const char* isa, int threads) {
  seed = 42;
  set_active_isa(isa);
  set_num_threads(threads);
  return c.run();
}

// The message of the first difference, or nothing.
std::string compare_with(const Case& c, const std::vector<Array>& got, const std::vector<Array>& want) {
  if (got.size() != want.size()) return "another number of results";
  for (size_t k = 0; k < got.size(); ++k) {
    if (!(got[k].shape() == want[k].shape()) || got[k].dtype() != want[k].dtype())
      return "another shape or type";
    const std::vector<double> a = values(got[k]), b = values(want[k]);
    const bool exact = !is_floating(want[k].dtype());
    for (size_t i = 0; i < a.size(); ++i) {
      const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
      if (both_nan || a[i] == b[i]) continue;
      const double allowed =
          exact ? 0 : c.tolerance * epsilon(want[k].dtype()) * std::max(std::abs(b[i]), c.floor);
      if (std::abs(a[i] - b[i]) <= allowed) continue;
      char text[200];
      std::snprintf(text, sizeof text,
                    "result %zu, element %zu: %.17g, reference %.17g, allowed difference %g", k, i, a[i],
                    b[i], allowed);
      return text;
    }
  }
  return "";
}

std::vector<std::string> implementations(const std::string& op) {
  for (const auto& [name, names] : implementation_lists()) {
    if (name == op) return names;
  }
  return {};
}

int failures = 0;
int undefined = 0;  // cases of a type that the operation does not take
void wrong(const Case& c, const std::string& where, const std::string& what) {
  std::printf("WRONG %s on %s: %s\n", c.name.c_str(), where.c_str(), what.c_str());
  ++failures;
}

void check(const Case& c) {
  Pool::set_guarded(true);
  std::vector<Array> want;
  try {
    want = run(c, "ref", 1);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotImplemented) throw;
    ++undefined;
    return;
  }
  for (Isa isa : available_isas()) {
    std::vector<std::string> ways = c.op.empty() ? std::vector<std::string>{} : implementations(c.op);
    ways.insert(ways.begin(), "");
    for (const std::string& way : ways) {
      const std::string where = std::string(name_of(isa)) + (way.empty() ? "" : ", " + way);
      const int64_t damaged = Pool::damaged_guards();
      try {
        force_implementation(c.op.empty() ? "" : c.op, way);
      } catch (const Error&) {
        if (!way.empty()) throw;  // an operation without a list
      }
      try {
        const std::vector<Array> got = run(c, name_of(isa), 1);
        const std::string difference = compare_with(c, got, want);
        if (!difference.empty()) wrong(c, where, difference);
        if (bytes(run(c, name_of(isa), 3)) != bytes(got)) wrong(c, where, "other bits with 3 threads");
      } catch (const Error& error) {
        if (way.empty() || error.kind() != ErrorKind::kNotImplemented) wrong(c, where, error.what());
      }
      if (Pool::damaged_guards() != damaged) wrong(c, where, "a byte outside a buffer was written");
    }
    if (!c.op.empty() && ways.size() > 1) force_implementation(c.op, "");
  }
  Pool::set_guarded(false);
}

}  // namespace
}  // namespace markone::selftest

int main(int argc, char** argv) {
  using namespace markone;
  using namespace markone::selftest;
  add_elementwise();
  add_products();
  add_reductions();
  add_images();
  add_random();
  add_optimisers();
  add_norms();
  add_lines();
  add_indexing();
  add_recurrent();
  std::printf("instruction sets:");
  for (Isa isa : available_isas()) std::printf(" %s", name_of(isa));
  std::printf("\n");
  int done = 0;
  for (const Case& c : cases) {
    bool chosen = argc == 1;
    for (int i = 1; i < argc; ++i) chosen |= c.name.find(argv[i]) != std::string::npos;
    if (!chosen) continue;
    try {
      check(c);
    } catch (const Error& error) {
      wrong(c, "ref", error.what());
    }
    ++done;
  }
  std::printf("%d cases (%d of them of a type that the operation does not take), %d wrong\n", done, undefined,
              failures);
  return failures != 0 || done == undefined;
}
