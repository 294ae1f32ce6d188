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
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/optim.h"
#include "ops/optim_rules.h"
#include "ops/plan.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/vision.h"

using namespace markone;

namespace {

struct Case {
  std::string name;
  std::function<std::vector<Array>()> run;
  double tolerance;  // relative to the largest of |reference| and `floor`
  double floor;
  std::string op;  // where the operation has a list of implementations: each is forced in turn
};

std::vector<Case> cases;

void add(std::string name, double tolerance, double floor, std::function<std::vector<Array>()> run,
         std::string op = "") {
  cases.push_back({std::move(name), std::move(run), tolerance, floor, std::move(op)});
}

double epsilon(DType t) { return t == kF64 ? 0x1p-52 : t == kBF16 ? 0x1p-7 : t == kF16 ? 0x1p-10 : 0x1p-23; }

// The same numbers for every run of a case.
uint64_t seed = 1;
double next_number() {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(seed >> 33) / 0x1p30 - 1.0;  // [-1, 1)
}

Array random_array(const Dims& shape, DType dtype, double low = -2, double high = 2) {
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

constexpr DType kFloats[] = {kF32, kF64, kBF16, kF16};

void add_elementwise() {
  struct Unary {
    UnaryOp op;
    const char* name;
    double ulp;
  };
  const Unary unary_list[] = {
#define MO_UNARY(name, value, derivative, ulp, types) {kUnary_##name, #name, ulp},
#include "kernels/common/elementwise.def"
  };
  for (const Unary& u : unary_list) {
    for (DType t : kFloats) {
      const std::string name = std::string("unary ") + u.name + " " + name_of(t);
      // What is small there is the difference of larger numbers.
      const bool cancels = std::strncmp(u.name, "gelu", 4) == 0;
      add(name, u.ulp + 1, cancels ? 1 : 1e-30, [u, t] {
        return std::vector<Array>{unary(u.op, random_array({1003}, t)),
                                  unary(u.op, random_array({7}, t, 0.01, 90)),
                                  unary(u.op, random_array({5, 6}, t).transpose(0, 1))};
      });
      // The derivative's own cancellations are counted from 1.
      add(name + " gradient", 4 * u.ulp + 16, 1, [u, t] {
        const Array x = random_array({517}, t, 0.1, 2), g = random_array({517}, t);
        return std::vector<Array>{unary_grad(u.op, g, x, unary(u.op, x))};
      });
    }
  }
  struct Binary {
    BinaryOp op;
    const char* name;
    double ulp;
  };
  const Binary binary_list[] = {
#define MO_BINARY(name, value, da, db, ulp, types) {kBinary_##name, #name, ulp},
#include "kernels/common/elementwise.def"
  };
  for (const Binary& b : binary_list) {
    for (DType t : {kF32, kF64, kBF16, kF16, kI64, kI32, kU8, kBool}) {
      add(std::string("binary ") + b.name + " " + name_of(t), b.ulp + 1, 1e-30,
          [b, t]() -> std::vector<Array> {
            if (!active_table().binary[b.op][t].function) return {};
            const double low = is_floating(t) ? 0.1 : 1;
            return {binary(b.op, random_array({9, 37}, t, low, 5), random_array({37}, t, low, 5)),
                    binary(b.op, random_array({64}, t, low, 5), Operand::integer(2))};
          });
    }
  }
  struct Compare {
    CompareOp op;
    const char* name;
  };
  const Compare compare_list[] = {
#define MO_COMPARE(name, ...) {kCompare_##name, #name},
#include "kernels/common/elementwise.def"
  };
  for (const Compare& c : compare_list) {
    for (DType t : {kF32, kF64, kBF16, kI64, kU8}) {
      add(std::string("compare ") + c.name + " " + name_of(t), 0, 0, [c, t] {
        return std::vector<Array>{compare(c.op, random_array({301}, t, 0, 4), random_array({301}, t, 0, 4))};
      });
    }
  }
  for (int from = 0; from < kDTypeCount; ++from) {
    for (int to = 0; to < kDTypeCount; ++to) {
      const auto a = static_cast<DType>(from), b = static_cast<DType>(to);
      add(std::string("copy ") + name_of(a) + " " + name_of(b), 0, 0, [a, b] {
        const Array x = random_array({13, 21}, a, 0, 100);
        return std::vector<Array>{cast("copy", x, b), cast("copy", x.transpose(0, 1), b),
                                  clone("copy", x.flip({1}))};
      });
    }
  }
}

void add_products() {
  for (DType t : {kF32, kF64, kBF16}) {
    for (const Dims& s :
         {Dims{1, 1, 1}, Dims{1, 65, 33}, Dims{37, 5, 1}, Dims{17, 129, 70}, Dims{130, 300, 97}}) {
      add(
          std::string("matmul ") + to_string(s) + " " + name_of(t), 4.0 * static_cast<double>(s[1]), 4,
          [s, t] {
            const Array a = random_array({s[0], s[1]}, t), b = random_array({s[1], s[2]}, t);
            const Array at = random_array({s[1], s[0]}, t).transpose(0, 1);
            return std::vector<Array>{matmul(a, b), matmul(at, b),
                                      matmul(a, random_array({s[2], s[1]}, t).transpose(0, 1))};
          },
          "matmul");
    }
    add(std::string("linear ") + name_of(t), 400, 4, [t] {
      return std::vector<Array>{
          linear(random_array({33, 100}, t), random_array({45, 100}, t), random_array({45}, t))};
    });
    for (int kind = 0; kind < 3; ++kind) {
      ConvParams p;
      if (kind == 1) p = {{2, 1}, {1, 2}, {1, 2}, 1};
      if (kind == 2) p = {{1}, {1}, {1}, 3};
      add(
          "conv2d " + std::to_string(kind) + " " + name_of(t), 800, 4,
          [p, t] {
            const Array x = random_array({2, 6, 13, 11}, t), w = random_array({9, 6 / p.groups, 3, 3}, t);
            const Array y = conv(x, w, random_array({9}, t), p), g = random_array(y.shape(), t);
            return std::vector<Array>{y, conv_input_grad(g, w, x.shape(), p),
                                      conv_weight_grad(g, x, w.shape(), p)};
          },
          "conv");
    }
    for (int axes : {1, 3}) {
      add(
          "conv " + std::to_string(axes) + " axes " + name_of(t), 800, 4,
          [axes, t] {
            const ConvParams p{{2}, {1}, {1}, 3};
            Dims image{2, 6}, taps{9, 2};
            for (int i = 0; i < axes; ++i) {
              image.push_back(5 + 2 * i);
              taps.push_back(3);
            }
            const Array x = random_array(image, t), w = random_array(taps, t);
            const Array y = conv(x, w, random_array({9}, t), p), g = random_array(y.shape(), t);
            const Array columns = unfold(x, {3}, {{2}, {2}, {1}});
            return std::vector<Array>{y, conv_transpose(g, w, random_array({6}, t), p, {1}),
                                      conv_weight_grad(g, x, w.shape(), p), columns,
                                      fold(columns, Dims(image.data() + 2, axes), {3}, {{2}, {2}, {1}})};
          },
          "conv");
    }
  }
}

void add_reductions() {
  for (DType t : {kF32, kF64, kBF16, kI64, kU8, kBool}) {
    for (ReduceOp op = ReduceOp(0); op < kReduceCount; op = ReduceOp(op + 1)) {
      add(std::string("reduce ") + name_of(op) + " " + name_of(t), 64, 16, [op, t]() -> std::vector<Array> {
        const std::string name = name_of(op);
        if ((name == "mean" || name == "var") && !is_floating(t)) return {};
        const Array x = random_array({5, 67, 33}, t, 0.5, 1.5);
        return {reduce(op, x, {}, false), reduce(op, x, {0}, true), reduce(op, x, {2}, false),
                reduce(op, x.transpose(0, 2), {0, 1}, false)};
      });
    }
    add(std::string("argmax ") + name_of(t), 0, 0, [t] {
      const Array x = random_array({6, 35}, t, 0, 9);
      return std::vector<Array>{arg_reduce(true, x, 1, false), arg_reduce(false, x, 0, true),
                                arg_reduce(true, x, std::nullopt, false)};
    });
  }
  for (DType t : kFloats) {
    add(std::string("var ") + name_of(t), 64, 1, [t] {
      const Array x = random_array({7, 133}, t);
      return std::vector<Array>{var(x, {1}, 1, false), var(x, {0}, 0, true), var(x, {}, 1, false)};
    });
    add(std::string("softmax ") + name_of(t), 16, 1, [t] {
      std::vector<Array> out;
      for (bool log : {false, true}) {
        for (int64_t dim : {0, 1}) {
          const Array x = random_array({19, 43}, t), y = softmax(x, dim, log);
          out.push_back(y);
          out.push_back(softmax_grad(random_array({19, 43}, t), y, dim, log));
        }
      }
      return out;
    });
    add(std::string("cross_entropy ") + name_of(t), 32, 1, [t] {
      std::vector<Array> out;
      for (const char* reduction : {"none", "mean", "sum"}) {
        CrossEntropyOptions options;
        options.reduction = reduction;
        options.label_smoothing = 0.1;
        const Array x = random_array({33, 10}, t), target = labels({33}, 10),
                    w = random_array({10}, t, 0.5, 1.5);
        const auto [loss, saved] = cross_entropy(x, target, w, options);
        out.push_back(loss);
        out.push_back(cross_entropy_grad(random_array(loss.shape(), t), x, target, w, options, saved));
      }
      return out;
    });
  }
}

PoolOptions pool_options(const Dims& kernel, const Dims& stride, const Dims& padding) {
  PoolOptions options;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = padding;
  options.dilation = {1};
  return options;
}

void add_images() {
  for (DType t : kFloats) {
    add(std::string("max_pool2d ") + name_of(t), 0, 0, [t] {
      PoolOptions options = pool_options({3, 2}, {2, 2}, {1, 1});
      const Array x = random_array({2, 3, 15, 17}, t);
      const auto [y, indices] = max_pool2d(x, options, true);
      const PoolOptions plain = pool_options({2}, {}, {0});
      return std::vector<Array>{y, indices, max_pool2d(x, options, false).first,
                                max_pool2d(x, plain, false).first};
    });
    add(std::string("max_pool_grad ") + name_of(t), 16, 1, [t] {
      PoolOptions options = pool_options({3, 2}, {2, 2}, {1, 1});
      const Array x = random_array({2, 3, 15, 17}, t);
      const auto [y, indices] = max_pool2d(x, options, true);
      return std::vector<Array>{max_pool_grad(random_array(y.shape(), t), indices, x.shape(), 2)};
    });
    add(std::string("avg_pool2d ") + name_of(t), 16, 1, [t] {
      PoolOptions options = pool_options({3, 2}, {2, 2}, {1, 1});
      const PoolOptions plain = pool_options({2}, {}, {0});
      const Array x = random_array({2, 3, 15, 17}, t), y = avg_pool2d(x, options);
      return std::vector<Array>{y, avg_pool2d(x, plain),
                                avg_pool2d_grad(random_array(y.shape(), t), x.shape(), options)};
    });
    add(std::string("resample ") + name_of(t), 64, 1, [t] {
      const Array x = random_array({2, 3, 8, 9}, t);
      return std::vector<Array>{
          resample(x, {32, 31}, {}, "linear", false, false), resample(x, {5, 4}, {}, "cubic", true, false),
          resample_grad(random_array({2, 3, 32, 31}, t), x.shape(), {}, "linear", false, true)};
    });
  }
}

void add_random() {
  add("random integers", 0, 0, [] {
    const Generator g(7);
    return std::vector<Array>{random_bits(1001, g), randint({777}, -5, 1 << 20, kI64, g), randperm(999, g),
                              bernoulli(random_array({501}, kF32, 0, 1), g)};
  });
  for (DType t : kFloats) {
    add(std::string("uniform ") + name_of(t), 0, 0, [t] {
      return std::vector<Array>{uniform({40001}, t, -1, 3, Generator(5)),
                                uniform({3}, t, 0, 1, Generator(6))};
    });
    add(std::string("normal ") + name_of(t), 2, t == kF64 ? 4 : 0,
        [t] { return std::vector<Array>{normal({40001}, t, 0, 1, Generator(5))}; });
    add(std::string("dropout ") + name_of(t), 0, 0, [t] {
      const Array x = random_array({3, 7001}, t);
      const auto [y, mask] = dropout(x, 0.3, Generator(9));
      return std::vector<Array>{y, mask, dropout_grad(x, mask, 0.3)};
    });
  }
}

// Three steps of a rule: all its arrays and numbers afterwards.
std::vector<Array> optimiser_steps(const std::string& name, DType t, double yes) {
  const OptimRuleRow& rule = optim_rule(name);
  std::vector<Array> all;
  std::vector<std::vector<Array>> state(rule.states.size());
  for (int64_t n : {1, 17, 33000, 5}) {
    all.push_back(random_array({n}, t));
    for (auto& list : state) list.push_back(random_array({n}, t, 0, 0));
  }
  OptimNumbers numbers{random_array({1}, kF64, 0.1, 0.1), random_array({1}, kI64, 0, 0), {}};
  for (size_t k = 0; k < rule.carried.size(); ++k) numbers.carried.push_back(random_array({1}, kF64, 1, 1));
  std::map<std::string, double> options;
  for (const OptimOption& option : rule.options) {
    const bool flag = option.low == 0 && option.high == 1 && !option.below;
    options[option.name] = flag ? yes : option.low == 1 ? 1.5 : 0.3;
  }
  if (name == "sgd" && yes != 0) options["dampening"] = 0;
  const std::vector<Array> params = all;
  for (int step = 0; step < 3; ++step) {
    std::vector<Array> grads;
    for (const Array& p : params) grads.push_back(random_array(p.shape(), t));
    optim_step(name, params, grads, state, numbers, options);
  }
  for (auto& list : state) all.insert(all.end(), list.begin(), list.end());
  all.insert(all.end(), numbers.carried.begin(), numbers.carried.end());
  all.push_back(numbers.step);
  return all;
}

void add_optimisers() {
  for (DType t : {kF32, kF64}) {
    for (int extra = 0; extra < 2; ++extra) {
      const double yes = extra;
#define MO_OPTIM(name, Rule)                                                         \
  add(std::string(#name "_step ") + std::to_string(extra) + " " + name_of(t), 64, 1, \
      [yes, t] { return optimiser_steps(#name, t, yes); });
#include "kernels/common/optim.def"
    }
  }
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

int main(int argc, char** argv) {
  add_elementwise();
  add_products();
  add_reductions();
  add_images();
  add_random();
  add_optimisers();
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
