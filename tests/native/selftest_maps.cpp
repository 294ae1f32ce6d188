// Elementwise operations, products, reductions, images, random numbers and optimisers.
#include <cstring>
#include <string>
#include <vector>

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
#include "selftest.h"

namespace markone::selftest {

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
  for (const Binary& b : binary_list) {
    for (DType t : kFloats) {
      if (!active_table().binary_grad[b.op][0][t].function) continue;
      // The derivative's own cancellations are counted from 1.
      add(std::string("binary ") + b.name + " gradients " + name_of(t), 4 * b.ulp + 16, 1, [b, t] {
        const Array x = random_array({9, 37}, t, 0.1, 2), y = random_array({9, 37}, t, 0.1, 2);
        const Array g = random_array({9, 37}, t);
        return std::vector<Array>{binary_grad(b.op, 0, g, x, y), binary_grad(b.op, 1, g, x, y),
                                  binary_grad(b.op, 0, g, x, Operand::number(0.5))};
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
#define MO_REDUCE(name, init, map, combine, finish, types) #types[0] == 'F',
        static constexpr bool kFloatingOnly[] = {
#include "kernels/common/reduce.def"
        };
        if (kFloatingOnly[op] && !is_floating(t)) return {};
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

namespace {

PoolOptions pool_options(const Dims& kernel, const Dims& stride, const Dims& padding) {
  PoolOptions options;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = padding;
  options.dilation = {1};
  return options;
}

}  // namespace

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

}  // namespace markone::selftest
