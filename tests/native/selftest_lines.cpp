// Normalisation, sorting, running sums, indexing and recurrent layers.
#include <optional>
#include <string>
#include <vector>

#include "ops/index.h"
#include "ops/norm.h"
#include "ops/recurrent.h"
#include "ops/scan.h"
#include "ops/sort.h"
#include "selftest.h"

namespace markone::selftest {
namespace {

// Those of the three that there are.
void append(std::vector<Array>* out, const Three& three) {
  for (const Array& array : {std::get<0>(three), std::get<1>(three), std::get<2>(three)}) {
    if (array) out->push_back(array);
  }
}

}  // namespace

void add_norms() {
  for (DType t : kFloats) {
    for (const char* kind : {"layer_norm", "rms_norm", "group_norm", "instance_norm"}) {
      const std::string name = kind;
      add(name + " " + name_of(t), 64, 4, [name, t] {
        const bool of_rows = name == "layer_norm" || name == "rms_norm";
        const Dims shape = of_rows ? Dims{9, 3, 37} : Dims{3, 6, 5, 7};
        const Dims size = of_rows ? Dims{37} : Dims{name == "group_norm" ? 3 : 6};
        const Dims wide = of_rows ? size : Dims{6};
        const Array x = random_array(shape, t), w = random_array(wide, t, 0.5, 1.5);
        const Array b = name == "rms_norm" ? Array() : random_array(wide, t);
        const Three y = row_norm(name, x, size, w, b, 1e-5);
        std::vector<Array> out;
        append(&out, y);
        append(&out, row_norm_grad(name, random_array(shape, t), x, size, w, std::get<1>(y), std::get<2>(y),
                                   true, true, name != "rms_norm"));
        return out;
      });
    }
    add(std::string("batch_norm ") + name_of(t), 64, 4, [t] {
      std::vector<Array> out;
      for (bool training : {true, false}) {
        const Array x = random_array({5, 3, 7, 9}, t), w = random_array({3}, t, 0.5, 1.5);
        const Array mean = random_array({3}, t, -0.1, 0.1), var = random_array({3}, t, 0.5, 1.5);
        const Three y = batch_norm(x, w, random_array({3}, t), mean, var, training, 0.1, 1e-5, Array());
        append(&out, y);
        out.insert(out.end(), {mean, var});
        append(&out, batch_norm_grad(random_array(x.shape(), t), x, w, std::get<1>(y), std::get<2>(y),
                                     training, true, true, true));
      }
      return out;
    });
    add(std::string("local_response_norm ") + name_of(t), 64, 1, [t] {
      const Array x = random_array({2, 11, 5, 3}, t);
      return std::vector<Array>{local_response_norm(x, 5, 1e-2, 0.75, 1),
                                local_response_norm_grad(random_array(x.shape(), t), x, 5, 1e-2, 0.75, 1)};
    });
  }
}

void add_lines() {
  for (DType t : {kF32, kF64, kBF16, kF16, kI64, kI32, kU8, kBool}) {
    add(std::string("sort ") + name_of(t), 0, 0, [t] {
      std::vector<Array> out;
      for (int64_t n : {1, 40, 1500}) {
        const Array x = random_array({3, n}, t, 0, 90);
        for (bool descending : {false, true}) {
          for (const auto& [values, places] :
               {sort("sort", x, 1, descending, 0, -1), sort("topk", x, 1, descending, n / 3, n / 3 + 1),
                sort("sort", x, 0, descending, 0, -1)}) {
            out.insert(out.end(), {values, places});
          }
        }
        const Array sorted = sort("sort", x, 1, false, 0, -1).first, values = random_array({3, 17}, t, 0, 90);
        out.insert(out.end(), {searchsorted(sorted, values, Array(), false),
                               searchsorted(sorted, values, Array(), true)});
      }
      return out;
    });
    // A running product of bfloat16 in [0.9, 1.1] is rounded at every step.
    add(std::string("scan ") + name_of(t), 256, 16, [t] {
      std::vector<Array> out;
      for (const Dims& shape : {Dims{3, 75}, Dims{60, 5}}) {
        for (int64_t dim : {0, 1}) {
          const Array x = random_array(shape, t, 0.9, 1.1);
          const auto most = cummax(x, dim), least = cummin(x, dim);
          out.insert(out.end(), {cumsum(x, dim, false), cumsum(x, dim, true), cumprod(x, dim), most.first,
                                 most.second, least.first, least.second});
        }
      }
      return out;
    });
  }
  for (DType t : kFloats) {
    add(std::string("logcumsumexp ") + name_of(t), 64, 4, [t] {
      const Array x = random_array({4, 51}, t), y = logcumsumexp(x, 1);
      return std::vector<Array>{y, logcumsumexp_grad(random_array({4, 51}, t), x, y, 1), logcumsumexp(x, 0)};
    });
  }
}

void add_indexing() {
  for (DType t : {kF32, kF64, kBF16, kF16, kI64, kI32, kU8, kBool}) {
    add(std::string("index ") + name_of(t), 0, 0, [t] {
      const Array x = random_array({7, 5, 33}, t, 0, 9);
      const Array rows = labels({4, 1}, 7), columns = labels({3}, 5), along = labels({7, 9, 33}, 5);
      return std::vector<Array>{index(x, {rows, columns}), index(x, {Array(), columns}), gather(x, 1, along),
                                nonzero(x), cat({x, index(x, {columns})}, 0)};
    });
    for (IndexWrite mode : {kWritePut, kWriteAdd, kWriteMul, kWriteMax, kWriteMin}) {
      add("index write " + std::to_string(mode) + " " + name_of(t), 4, 1, [mode, t] {
        const Array x = random_array({7, 5, 33}, t, 0, 3), y = random_array({7, 5, 33}, t, 0, 3);
        index_write_into(x, {labels({4, 1}, 7), labels({3}, 5)}, random_array({4, 3, 33}, t, 0, 3), mode);
        scatter_into(y, 1, labels({7, 9, 33}, 5), random_array({7, 9, 33}, t, 0, 3), mode);
        return std::vector<Array>{x, y};
      });
    }
  }
}

void add_recurrent() {
  struct Kind {
    const char* name;
    int64_t gates;
  };
  for (const Kind kind : {Kind{"rnn_tanh", 1}, Kind{"rnn_relu", 1}, Kind{"lstm", 4}, Kind{"lstm_sigmoid", 4},
                          Kind{"gru", 3}, Kind{"gru_reset_first", 3}}) {
    for (DType t : {kF32, kF64, kBF16}) {
      const std::string name = kind.name;
      add(name + " " + name_of(t), 400, 2, [name, kind, t] {
        const bool is_lstm = name.rfind("lstm", 0) == 0;
        std::vector<Array> out;
        for (int way = 0; way < (is_lstm ? 3 : 2); ++way) {
          const int64_t steps = 5, batch = 9, in = 7, hidden = 19, size = way == 2 ? 6 : hidden;
          const Array x = random_array({steps, batch, in}, t, -1, 1);
          const int64_t wide = kind.gates * hidden;
          RecurrentWeights w{random_array({wide, in}, t, -0.5, 0.5), random_array({wide, size}, t, -0.3, 0.3),
                             random_array({wide}, t, -0.1, 0.1), random_array({wide}, t, -0.1, 0.1), Array()};
          if (way == 2) w.w_hr = random_array({size, hidden}, t, -0.4, 0.4);
          const Array h0 = random_array({batch, size}, t, -1, 1);
          const Array c0 = is_lstm ? random_array({batch, hidden}, t, -1, 1) : Array();
          const Array lengths = way == 1 ? labels({batch}, steps + 1) : Array();
          const RecurrentResult r = recurrent(name, x, w, h0, c0, lengths, way == 1);
          out.insert(out.end(), {r.y, r.h_n});
          if (is_lstm) out.push_back(r.c_n);
          const Array dc = is_lstm ? random_array({batch, hidden}, t, -1, 1) : Array();
          const auto grads = recurrent_grad(
              name, random_array(r.y.shape(), t, -1, 1), random_array({batch, size}, t, -1, 1), dc, x, w,
              lengths, r.saved, way == 1, {true, true, true, true, true, way == 2, true, is_lstm});
          for (const std::optional<Array>& g : grads) {
            if (g) out.push_back(*g);
          }
        }
        return out;
      });
    }
  }
}

}  // namespace markone::selftest
