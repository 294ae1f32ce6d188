#include "ops/optim.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/optim_rules.h"
#include "ops/tables.h"

namespace markone {
namespace {

// One list of the call, as Python named it, and where its pointer stands in an item.
struct List {
  const char* name;
  const std::vector<Array>* arrays;
  size_t field;  // offsetof in OptimItem
  bool write;
};

DType computed_in(DType t) { return t == kF64 ? kF64 : kF32; }

void check_lists(const char* op, const std::vector<List>& lists) {
  const std::vector<Array>& params = *lists[0].arrays;
  for (const List& list : lists) {
    MO_CHECK(list.arrays->size() == params.size(), op, "got ", params.size(), " params but ",
             list.arrays->size(), " ", list.name);
    for (size_t k = 0; k < params.size(); ++k) {
      const Array &param = params[k], &array = (*list.arrays)[k];
      MO_CHECK_TYPE(is_floating(param.dtype()), op, "params[", k, "] is ", name_of(param.dtype()),
                    ", wanted a floating type");
      MO_CHECK_TYPE(array.dtype() == param.dtype(), op, list.name, "[", k, "] is ", name_of(array.dtype()),
                    " but params[", k, "] is ", name_of(param.dtype()));
      MO_CHECK(array.shape() == param.shape(), op, list.name, "[", k, "] has shape ", array.shape(),
               " but params[", k, "] has ", param.shape());
    }
  }
}

void check_numbers(const char* op, const OptimRuleRow& rule, const OptimNumbers& numbers) {
  MO_CHECK_TYPE(numbers.lr.dtype() == kF64 && numbers.step.dtype() == kI64, op, "lr is ",
                name_of(numbers.lr.dtype()), " and step ", name_of(numbers.step.dtype()),
                ", wanted float64 and int64");
  MO_CHECK(numbers.lr.numel() == 1 && numbers.step.numel() == 1, op, "lr has shape ", numbers.lr.shape(),
           " and step ", numbers.step.shape(), ", wanted one element each");
  MO_CHECK(numbers.carried.size() == rule.carried.size(), op, "got ", numbers.carried.size(),
           " numbers that are carried on, wanted ", rule.carried.size());
  for (size_t k = 0; k < numbers.carried.size(); ++k) {
    const Array& x = numbers.carried[k];
    MO_CHECK_TYPE(x.dtype() == kF64, op, rule.carried[k], " is ", name_of(x.dtype()), ", wanted float64");
    MO_CHECK(x.numel() == 1, op, rule.carried[k], " has shape ", x.shape(), ", wanted one element");
  }
}

// The options by name into the struct's fields, each within its range.
void set_options(const char* op, const OptimRuleRow& rule, const std::map<std::string, double>& options,
                 OptimArgs* args) {
  for (const auto& [name, value] : options) {
    const auto option = std::find_if(rule.options.begin(), rule.options.end(),
                                     [&name = name](const OptimOption& o) { return name == o.name; });
    MO_CHECK(option != rule.options.end(), op, "has no option '", name, "'");
    const bool valid = value >= option->low && (option->below ? value < option->high : value <= option->high);
    MO_CHECK(valid, op, "got ", name, "=", value, ", wanted a number from ", option->low,
             option->below ? " to below " : " to ", option->high);
    args->*option->field = value;
  }
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

}  // namespace

// The argument struct with its items behind it, the access list beside it, and one submission.
void optim_step(const std::string& name, const std::vector<Array>& params, const std::vector<Array>& grads,
                const std::vector<std::vector<Array>>& state, const OptimNumbers& numbers,
                const std::map<std::string, double>& options) {
  const OptimRuleRow& rule = optim_rule(name);
  const char* op = rule.op;
  OptimArgs given{};
  set_options(op, rule, options, &given);
  MO_CHECK(given.nesterov == 0 || (given.momentum > 0 && given.dampening == 0), op,
           "nesterov wants momentum > 0 and no dampening, got momentum=", given.momentum,
           " and dampening=", given.dampening);
  MO_CHECK(state.size() == rule.states.size(), op, "got ", state.size(), " lists of state, wanted ",
           rule.states.size());
  std::vector<List> lists{{"params", &params, offsetof(OptimItem, param), true},
                          {"grads", &grads, offsetof(OptimItem, grad), false}};
  for (size_t k = 0; k < rule.states.size(); ++k) {
    const OptimStateRow& row = rule.states[k];
    if (row.option && given.*row.option == 0) continue;
    lists.push_back({row.name, &state[k], offsetof(OptimItem, state) + k * sizeof(void*), true});
  }
  check_lists(op, lists);
  check_numbers(op, rule, numbers);

  const size_t count = params.size(), items_bytes = count * sizeof(OptimItem);
  std::vector<uint64_t> memory((kOptimItemsAt + items_bytes) / 8 + count);
  char* const base = reinterpret_cast<char*>(memory.data());
  auto* args = new (base) OptimArgs(given);
  auto* items = reinterpret_cast<OptimItem*>(base + kOptimItemsAt);
  auto* chunk_ends = reinterpret_cast<int64_t*>(base + kOptimItemsAt + items_bytes);

  std::vector<Access> accesses;
  accesses.reserve(count * lists.size() + 5);
  const Device device = numbers.step.device();
  const auto touch = [&](const void* field, const Array& array, bool write) {
    MO_CHECK_KIND(ErrorKind::kRuntime, array.device() == device, op, "wants all its arrays on ",
                  to_string(device), " with its numbers, got one on ", to_string(array.device()));
    int64_t first, last;
    array.byte_range(&first, &last);
    accesses.push_back({array.storage().get(), first, last - first, array.offset() * size_of(array.dtype()),
                        static_cast<uint32_t>(static_cast<const char*>(field) - base), write,
                        array.storage()->serial});
    void* const data = array.data();
    std::memcpy(const_cast<void*>(field), &data, sizeof(data));
  };
  if (numbers.moving) {
    const Array& x = numbers.moving;
    const auto option = std::find_if(rule.options.begin(), rule.options.end(),
                                     [&](const OptimOption& o) { return numbers.moving_name == o.name; });
    MO_CHECK(option != rule.options.end(), op, "has no option '", numbers.moving_name, "'");
    MO_CHECK_TYPE(x.dtype() == kF64, op, "moving is ", name_of(x.dtype()), ", wanted float64");
    MO_CHECK(x.numel() == 1, op, "moving has shape ", x.shape(), ", wanted one element");
    double& field = args->*option->field;
    field = field != 0;
    args->moving_at = reinterpret_cast<char*>(&field) - base;
    touch(&args->moving, x, false);
  }
  touch(&args->lr, numbers.lr, false);
  touch(&args->step, numbers.step, true);
  for (size_t k = 0; k < numbers.carried.size(); ++k) touch(&args->carried[k], numbers.carried[k], true);

  // Strided arrays and half types go through contiguous copies, and what is written comes back.
  std::vector<std::pair<Array, Array>> copies;
  double elements = 0;
  for (size_t k = 0; k < count; ++k) {
    const DType dtype = computed_in(params[k].dtype());
    OptimItem& item = *new (&items[k]) OptimItem{};
    item.n = params[k].numel();
    item.dtype = dtype;
    args->chunks += (item.n + kOptimChunk - 1) / kOptimChunk;
    chunk_ends[k] = args->chunks;
    elements += static_cast<double>(item.n);
    for (const List& list : lists) {
      const Array& original = (*list.arrays)[k];
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
            kernel_for(op, table_for(device).optim[rule.rule], kF32),
            nullptr,
            base,
            memory.size() * 8,
            accesses.data(),
            accesses.size(),
            rule.flops * elements,
            0};
  Stream::current().submit(call);
  for (const auto& [original, copy] : copies) {
    if (original) copy_into(op, original, copy);
  }
}

}  // namespace markone
