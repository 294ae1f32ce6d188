#include "ops/optim.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "contract/optim.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

// One list of the call, as Python named it, and where its pointer stands in an item.
struct List {
  const char* name;
  const std::vector<Array>& arrays;
  size_t field;  // offsetof in OptimItem
  bool write;
};

DType computed_in(DType t) { return t == kF64 ? kF64 : kF32; }

void check_lists(const char* op, std::initializer_list<List> lists) {
  const std::vector<Array>& params = lists.begin()->arrays;
  for (const List& list : lists) {
    MO_CHECK(list.arrays.size() == params.size(), op, "got ", params.size(), " params but ",
             list.arrays.size(), " ", list.name);
    for (size_t k = 0; k < params.size(); ++k) {
      const Array &param = params[k], &array = list.arrays[k];
      MO_CHECK_TYPE(is_floating(param.dtype()), op, "params[", k, "] is ", name_of(param.dtype()),
                    ", wanted a floating type");
      MO_CHECK_TYPE(array.dtype() == param.dtype(), op, list.name, "[", k, "] is ", name_of(array.dtype()),
                    " but params[", k, "] is ", name_of(param.dtype()));
      MO_CHECK(array.shape() == param.shape(), op, list.name, "[", k, "] has shape ", array.shape(),
               " but params[", k, "] has ", param.shape());
    }
  }
}

void check_state(const char* op, const OptimState& state) {
  MO_CHECK_TYPE(state.lr.dtype() == kF64 && state.step.dtype() == kI64, op, "lr is ",
                name_of(state.lr.dtype()), " and step ", name_of(state.step.dtype()),
                ", wanted float64 and int64");
  MO_CHECK(state.lr.numel() == 1 && state.step.numel() == 1, op, "lr has shape ", state.lr.shape(),
           " and step ", state.step.shape(), ", wanted one element each");
}

// Two threads write different parameters at once, so no memory may be written under two names.
void check_apart(const char* op, std::vector<Access>& accesses) {
  std::vector<const Access*> order;
  for (const Access& access : accesses) order.push_back(&access);
  std::sort(order.begin(), order.end(), [](const Access* a, const Access* b) {
    return a->storage != b->storage ? std::less<>()(a->storage, b->storage) : a->begin < b->begin;
  });
  int64_t end = 0, written_end = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const Access& access = *order[i];
    if (i == 0 || access.storage != order[i - 1]->storage) end = written_end = 0;
    MO_CHECK(access.begin >= (access.write ? end : written_end), op,
             "two of the arrays share memory; each parameter may be given once");
    end = std::max(end, access.begin + access.bytes);
    if (access.write) written_end = std::max(written_end, access.begin + access.bytes);
  }
}

// The argument struct with its items behind it, the access list beside it, and one submission.
void submit(const char* op, const Entry<OptimArgs>& entry, const OptimArgs& options, const OptimState& state,
            std::initializer_list<List> lists, double flops_per_element) {
  check_lists(op, lists);
  check_state(op, state);
  const size_t count = lists.begin()->arrays.size();
  const size_t items_bytes = count * sizeof(OptimItem);
  std::vector<uint64_t> memory((kOptimItemsAt + items_bytes) / 8 + count);
  char* const base = reinterpret_cast<char*>(memory.data());
  auto* args = new (base) OptimArgs(options);
  auto* items = reinterpret_cast<OptimItem*>(base + kOptimItemsAt);
  auto* chunk_ends = reinterpret_cast<int64_t*>(base + kOptimItemsAt + items_bytes);

  std::vector<Access> accesses;
  accesses.reserve(count * lists.size() + 2);
  const auto touch = [&](const void* field, const Array& array, bool write) {
    int64_t first, last;
    array.byte_range(&first, &last);
    accesses.push_back({array.storage().get(), first, last - first, array.offset() * size_of(array.dtype()),
                        static_cast<uint32_t>(static_cast<const char*>(field) - base), write,
                        array.storage()->serial});
    void* const data = array.data();
    std::memcpy(const_cast<void*>(field), &data, sizeof(data));
  };
  touch(&args->lr, state.lr, false);
  touch(&args->step, state.step, true);

  // Strided arrays and half types go through contiguous copies, and what is written comes back.
  std::vector<std::pair<Array, Array>> copies;
  double elements = 0;
  for (size_t k = 0; k < count; ++k) {
    const Array& param = lists.begin()->arrays[k];
    const DType dtype = computed_in(param.dtype());
    OptimItem& item = *new (&items[k]) OptimItem{};
    item.n = param.numel();
    item.dtype = dtype;
    args->chunks += (item.n + kOptimChunk - 1) / kOptimChunk;
    chunk_ends[k] = args->chunks;
    elements += static_cast<double>(item.n);
    for (const List& list : lists) {
      const Array& original = list.arrays[k];
      const Array plain = prepared(op, original, dtype);
      const bool copied = plain.storage().get() != original.storage().get();
      MO_CHECK_KIND(ErrorKind::kRuntime, !list.write || !original.storage()->read_only, op, list.name, "[", k,
                    "] is read-only memory");
      if (copied) copies.emplace_back(list.write ? original : Array(), plain);
      touch(reinterpret_cast<char*>(&item) + list.field, plain, list.write);
    }
  }
  args->count = static_cast<int64_t>(count);
  check_apart(op, accesses);

  Call call{op,
            nullptr,
            kernel_for(op, entry, kF32),
            nullptr,
            base,
            memory.size() * 8,
            accesses.data(),
            accesses.size(),
            flops_per_element * elements,
            0};
  Stream::current().submit(call);
  for (const auto& [original, copy] : copies) {
    if (original) copy_into(op, original, copy);
  }
}

void check_number(const char* op, const char* name, double value, bool valid, const char* wanted) {
  MO_CHECK(valid && !std::isnan(value), op, "got ", name, "=", value, ", wanted ", wanted);
}

}  // namespace

void sgd_step(const std::vector<Array>& params, const std::vector<Array>& grads,
              const std::vector<Array>& buffers, const OptimState& state, const SgdOptions& options) {
  const char* op = "sgd_step";
  check_number(op, "momentum", options.momentum, options.momentum >= 0, "momentum >= 0");
  check_number(op, "weight_decay", options.weight_decay, options.weight_decay >= 0, "weight_decay >= 0");
  check_number(op, "dampening", options.dampening, true, "a number");
  MO_CHECK(!options.nesterov || (options.momentum > 0 && options.dampening == 0), op,
           "nesterov wants momentum > 0 and no dampening, got momentum=", options.momentum,
           " and dampening=", options.dampening);
  OptimArgs args{};
  args.beta1 = options.momentum;
  args.beta2 = options.dampening;
  args.weight_decay = options.weight_decay;
  args.nesterov = options.nesterov;
  args.maximize = options.maximize;
  const List param{"params", params, offsetof(OptimItem, param), true};
  const List grad{"grads", grads, offsetof(OptimItem, grad), false};
  if (options.momentum == 0) return submit(op, active_table().sgd_step, args, state, {param, grad}, 4);
  const List first{"buffers", buffers, offsetof(OptimItem, first), true};
  submit(op, active_table().sgd_step, args, state, {param, grad, first}, 8);
}

void adam_step(const std::vector<Array>& params, const std::vector<Array>& grads,
               const std::vector<Array>& means, const std::vector<Array>& squares,
               const std::vector<Array>& largest, const OptimState& state, const AdamOptions& options) {
  const char* op = "adam_step";
  check_number(op, "beta1", options.beta1, options.beta1 >= 0 && options.beta1 < 1, "0 <= beta1 < 1");
  check_number(op, "beta2", options.beta2, options.beta2 >= 0 && options.beta2 < 1, "0 <= beta2 < 1");
  check_number(op, "eps", options.eps, options.eps >= 0, "eps >= 0");
  check_number(op, "weight_decay", options.weight_decay, options.weight_decay >= 0, "weight_decay >= 0");
  OptimArgs args{};
  args.beta1 = options.beta1;
  args.beta2 = options.beta2;
  args.eps = options.eps;
  args.weight_decay = options.weight_decay;
  args.decoupled = options.decoupled;
  args.maximize = options.maximize;
  const List param{"params", params, offsetof(OptimItem, param), true};
  const List grad{"grads", grads, offsetof(OptimItem, grad), false};
  const List mean{"exp_avg", means, offsetof(OptimItem, first), true};
  const List square{"exp_avg_sq", squares, offsetof(OptimItem, second), true};
  const Entry<OptimArgs>& entry = active_table().adam_step;
  if (largest.empty()) return submit(op, entry, args, state, {param, grad, mean, square}, 16);
  const List max{"max_exp_avg_sq", largest, offsetof(OptimItem, largest), true};
  submit(op, entry, args, state, {param, grad, mean, square, max}, 18);
}

}  // namespace markone
