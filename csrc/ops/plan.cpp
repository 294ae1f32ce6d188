#include "ops/plan.h"

#include <map>

namespace markone {
namespace {
std::mutex mutex;
std::map<std::string, std::string>& forced() {
  static auto* names = new std::map<std::string, std::string>;
  return *names;
}
std::map<std::string, std::vector<std::string>>& lists() {
  static auto* all = new std::map<std::string, std::vector<std::string>>;
  return *all;
}
}  // namespace

std::atomic<int> forced_generation{0};

void force_implementation(const std::string& op, const std::string& name) {
  std::lock_guard lock(mutex);
  const auto list = lists().find(op);
  std::string known;
  for (const auto& [other, names] : lists()) known += (known.empty() ? "" : ", ") + other;
  MO_CHECK(list != lists().end(), "force_implementation", "'", op,
           "' has no list of implementations, those that have: ", known);
  if (name.empty()) {
    forced().erase(op);
  } else {
    bool found = false;
    known.clear();
    for (const std::string& other : list->second) {
      found |= other == name;
      known += (known.empty() ? "" : ", ") + other;
    }
    MO_CHECK(found, "force_implementation", "'", op, "' has no implementation '", name, "', it has ", known);
    forced()[op] = name;
  }
  forced_generation.fetch_add(1);
}

std::string forced_implementation(const char* op) {
  if (forced_generation.load(std::memory_order_relaxed) == 0) return {};
  std::lock_guard lock(mutex);
  const auto it = forced().find(op);
  return it == forced().end() ? std::string() : it->second;
}

void register_list(const char* op, std::vector<std::string> names) {
  std::lock_guard lock(mutex);
  lists()[op] = std::move(names);
}

std::vector<std::pair<std::string, std::vector<std::string>>> implementation_lists() {
  std::lock_guard lock(mutex);
  return {lists().begin(), lists().end()};
}

}  // namespace markone
