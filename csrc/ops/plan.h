// How an operation with several implementations chooses one: an ordered list, each with a reason to refuse,
// the reference last. The choice is remembered for the problem.
#pragma once
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "core/parallel.h"
#include "ops/tables.h"

namespace markone {

struct Refusal {
  const char* implementation;
  const char* reason;
};

// Lives as long as the process, so a recorded call may point at it.
struct Plan {
  const char* op;
  const char* implementation;
  std::vector<Refusal> refused;  // those that stood before it in the list
  int index;                     // in the list
};

// `Problem` is a plain struct without padding, hashed and compared by its bytes: shapes, strides where they
// matter, types. Never the batch size where the design says that a row alone equals the row in a batch.
template <class Problem, class Args>
struct Implementation {
  const char* name;
  // null where it takes the problem, else why not.
  const char* (*refuse)(const Problem& problem, const KernelTable& table);
  const Entry<Args>& (*entry)(const Problem& problem, const KernelTable& table);
  int64_t (*scratch_bytes)(const Problem& problem, int threads);
  // As refuse, for a problem that it takes but not well: a forced implementation takes it all the same.
  const char* (*avoid)(const Problem& problem, const KernelTable& table) = nullptr;
};

// For tests and benchmarks: the operation takes this implementation or raises its refusal. Empty name: free
// again.
void force_implementation(const std::string& op, const std::string& name);
std::string forced_implementation(const char* op);
extern std::atomic<int> forced_generation;  // 0 while nothing was ever forced; else changes with each call

// The operations that have a list, with its names in order; filled by the first use of each list.
std::vector<std::pair<std::string, std::vector<std::string>>> implementation_lists();
void register_list(const char* op, std::vector<std::string> names);

template <class Problem, class Args, size_t kCount>
class Chooser {
 public:
  using List = Implementation<Problem, Args>[kCount];

  Chooser(const char* op, const List& list) : op_(op), list_(list) {
    std::vector<std::string> names;
    for (const auto& implementation : list) names.emplace_back(implementation.name);
    register_list(op, std::move(names));
  }

  struct Choice {
    const Plan* plan;
    Kernel kernel;
    int64_t scratch_bytes;
  };

  Choice choose(const Problem& problem, const KernelTable& table) {
    static_assert(std::has_unique_object_representations_v<Problem>, "a problem is compared by its bytes");
    const Plan* plan = find(problem, table);
    const auto& implementation = list_[plan->index];
    const Entry<Args>& entry = implementation.entry(problem, table);
    return {plan, make_kernel<Args>(entry.name, entry.function),
            implementation.scratch_bytes ? implementation.scratch_bytes(problem, num_threads()) : 0};
  }

 private:
  struct Key {
    Problem problem;
    const KernelTable* table;
    bool operator==(const Key& other) const {
      return table == other.table && std::memcmp(&problem, &other.problem, sizeof(Problem)) == 0;
    }
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      const std::string_view bytes(reinterpret_cast<const char*>(&key.problem), sizeof(Problem));
      return std::hash<std::string_view>()(bytes) ^ reinterpret_cast<size_t>(key.table);
    }
  };
  // A program that meets this many shapes gains nothing from remembering them.
  static constexpr size_t kMaxRemembered = 4096;

  const Plan* find(const Problem& problem, const KernelTable& table) {
    std::lock_guard lock(mutex_);
    const int generation = forced_generation.load(std::memory_order_relaxed);
    if (generation != generation_ || chosen_.size() >= kMaxRemembered) {
      chosen_.clear();
      generation_ = generation;
    }
    const Key key{problem, &table};
    if (auto it = chosen_.find(key); it != chosen_.end()) return it->second;
    const Plan* plan = make(problem, table);
    chosen_.emplace(key, plan);
    return plan;
  }

  const Plan* make(const Problem& problem, const KernelTable& table) {
    const std::string forced = forced_implementation(op_);
    Plan plan{op_, nullptr, {}, 0};
    for (size_t i = 0; i < kCount; ++i) {
      const char* reason = list_[i].refuse ? list_[i].refuse(problem, table) : nullptr;
      if (!reason && !list_[i].entry(problem, table).function)
        reason = "no kernel for this type and instruction set";
      if (!reason && !forced.empty() && forced != list_[i].name) reason = "another implementation is forced";
      if (!reason && forced.empty() && list_[i].avoid) reason = list_[i].avoid(problem, table);
      if (reason) {
        plan.refused.push_back({list_[i].name, reason});
        continue;
      }
      plan.implementation = list_[i].name;
      plan.index = static_cast<int>(i);
      return intern(std::move(plan));
    }
    std::string reasons;
    for (const Refusal& r : plan.refused)
      reasons += std::string(reasons.empty() ? "" : "; ") + r.implementation + ": " + r.reason;
    fail(ErrorKind::kNotImplemented, op_, "no implementation takes this problem (", reasons, ")");
  }

  // Plans are few: one for each place in the list and set of reasons.
  const Plan* intern(Plan plan) {
    for (const Plan* known : plans_) {
      if (known->index != plan.index || known->refused.size() != plan.refused.size()) continue;
      bool same = true;
      for (size_t i = 0; i < plan.refused.size(); ++i)
        same &= known->refused[i].reason == plan.refused[i].reason;
      if (same) return known;
    }
    plans_.push_back(new Plan(std::move(plan)));
    return plans_.back();
  }

  const char* op_;
  const List& list_;
  std::mutex mutex_;
  std::unordered_map<Key, const Plan*, Hash> chosen_;
  std::vector<const Plan*> plans_;
  int generation_ = 0;
};

}  // namespace markone
