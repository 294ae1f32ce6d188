#include "ops/recording.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/parallel.h"
#include "core/profile.h"
#include "ops/packed.h"

namespace markone {
namespace {
std::atomic<uint64_t> generation{0};
MakeDeviceGraph device_graphs[2] = {};  // by device type
}  // namespace

uint64_t state_generation() { return generation.load(std::memory_order_relaxed); }
void bump_state_generation() { generation.fetch_add(1, std::memory_order_relaxed); }

void set_device_graphs(DeviceType type, MakeDeviceGraph make) {
  device_graphs[static_cast<int>(type)] = make;
}

struct Recording::Report {
  const Runnable* first = nullptr;  // the call that the report is of
  ValueReport value;
  std::mutex mutex;
};

Recording::Recording(std::shared_ptr<Program> program)
    : program_(std::move(program)), report_(std::make_unique<Report>()) {}
Recording::~Recording() = default;

// ---- what the storages are ----

int Recording::place_of(uint64_t serial) const {
  std::unordered_map<uint64_t, int> seen;
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      const uint64_t other = call.accesses[i].serial;
      if (other == serial) return static_cast<int>(seen.size());
      seen.emplace(other, 0);
    }
  }
  return -1;
}

bool Recording::touches(uint64_t serial) const {
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      if (call.accesses[i].serial == serial) return true;
    }
  }
  return false;
}

bool Recording::writes(uint64_t serial) const {
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      if (call.accesses[i].serial == serial && call.accesses[i].write) return true;
    }
  }
  return false;
}

void Recording::check_writes() const {
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (access.write && access.serial >= program_->first_serial() && access.storage->from_outside()) {
        fail(ErrorKind::kRuntime, "compile", call.op,
             " writes to NumPy memory that was wrapped inside the step", text_of_site(call.site),
             "; wrap it once outside, or pass it as an argument");
      }
    }
  }
}

namespace {
uint64_t hash_of(const Storage& storage) {
  const auto* bytes = static_cast<const unsigned char*>(storage.data);
  uint64_t hash = 0xcbf29ce484222325;
  int64_t i = 0;
  for (; i + 8 <= storage.bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  for (; i < storage.bytes; ++i) hash = (hash ^ bytes[i]) * 0x9e3779b97f4a7c15;
  return hash;
}
}  // namespace

void Recording::note_outside() {
  outside_.clear();
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      const uint64_t serial = access.serial;
      if (!access.storage->from_outside() || access.storage->device.type != DeviceType::kCPU ||
          serial >= program_->first_serial() || labels_.count(serial) || outside_.count(serial) ||
          writes(serial))
        continue;
      outside_[serial] = hash_of(*access.storage);
    }
  }
}

std::string Recording::changed_outside() const {
  std::unordered_set<uint64_t> same;  // looked at already
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      const auto at = outside_.find(call.accesses[i].serial);
      if (at == outside_.end() || !same.insert(at->first).second) continue;
      if (at->second != hash_of(*call.accesses[i].storage))
        return std::string(call.op) + text_of_site(call.site);
    }
  }
  return "";
}

bool Recording::survivor(int32_t* site) const {
  *site = -1;
  for (size_t k = program_->size(); k-- > 0;) {
    const Call& call = program_->call(k);
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (!access.storage->reused_by()) continue;  // not cached: the program itself holds them all
      if (!access.write || !inside(access) || access.serial != access.storage->serial) continue;
      if (!access.storage->held() || homes_.count(access.serial)) continue;
      *site = call.site;
      return true;
    }
  }
  return false;
}

// ---- comparison ----

bool Recording::same_storage(const Recording& other, const Access& a, const Access& b,
                             std::unordered_map<uint64_t, uint64_t>& pairs) const {
  const auto mine = labels_.find(a.serial), theirs = other.labels_.find(b.serial);
  if (mine != labels_.end() || theirs != other.labels_.end()) {
    return mine != labels_.end() && theirs != other.labels_.end() &&
           mine->second.number == theirs->second.number;
  }
  if (inside(a) || other.inside(b)) {
    if (!inside(a) || !other.inside(b)) return false;
    return pairs.emplace(a.serial, b.serial).first->second == b.serial;
  }
  if (a.serial == b.serial) return true;
  // A constant that was made of Python numbers while recording: its values must be the same.
  return a.storage->from_outside() && b.storage->from_outside() && a.serial >= program_->first_serial() &&
         b.serial >= other.program_->first_serial() && a.storage->bytes == b.storage->bytes &&
         std::memcmp(a.storage->data, b.storage->data, static_cast<size_t>(a.storage->bytes)) == 0;
}

std::string Recording::difference(const Recording& other) const {
  std::unordered_map<uint64_t, uint64_t> pairs, back;
  const size_t both = std::min(program_->size(), other.program_->size());
  const auto named = [](size_t k, const Call& call) {
    return std::string("call ") + std::to_string(k) + ", " + call.op + text_of_site(call.site) + ", ";
  };
  for (size_t k = 0; k < both; ++k) {
    const Call &a = program_->call(k), &b = other.program_->call(k);
    if (std::strcmp(a.op, b.op) != 0) {
      return named(k, a) + "was " + b.op + text_of_site(b.site) + " the other time";
    }
    if (a.kernel.function != b.kernel.function) {
      return named(k, a) + "ran " + a.kernel.name + " and the other time " + b.kernel.name;
    }
    if (a.arg_bytes != b.arg_bytes || a.access_count != b.access_count) {
      return named(k, a) + "had another number of arguments the other time";
    }
    std::vector<std::byte> mine(recorded_args(a), recorded_args(a) + a.arg_bytes);
    std::vector<std::byte> theirs(other.recorded_args(b), other.recorded_args(b) + b.arg_bytes);
    for (size_t i = 0; i < a.access_count; ++i) {
      const Access &x = recorded(a.accesses[i]), &y = other.recorded(b.accesses[i]);
      const int64_t moved = origin_of(x) - other.origin_of(y);
      if (x.slot != y.slot || x.write != y.write || x.bytes != y.bytes || x.delta - y.delta != moved ||
          x.begin - y.begin != moved) {
        return named(k, a) + "touched other elements the other time";
      }
      if (!same_storage(other, x, y, pairs) || !other.same_storage(*this, y, x, back)) {
        return named(k, a) + (x.write ? "wrote" : "read") +
               " another tensor the other time (one made anew, or values that changed)";
      }
      std::memset(mine.data() + x.slot, 0, sizeof(void*));
      std::memset(theirs.data() + y.slot, 0, sizeof(void*));
    }
    if (mine != theirs) return named(k, a) + "had another number or shape among its arguments the other time";
  }
  if (program_->size() != other.program_->size()) {
    const Recording& longer = program_->size() > both ? *this : other;
    return std::to_string(program_->size()) + " kernel calls, the other time " +
           std::to_string(other.program_->size()) +
           "; only once: " + named(both, longer.program_->call(both)) + "the first of them";
  }
  return {};
}

// ---- where the pointers stand ----

void Recording::move(uint64_t serial, const StorageRef& home, bool shown) {
  homes_[serial] = home;
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      Access& access = const_cast<Access&>(call.accesses[i]);
      if (access.serial != serial) continue;
      if (shown) access.storage = home.get();
      char* pointer = static_cast<char*>(home->data) + access.delta;
      std::memcpy(static_cast<char*>(const_cast<void*>(call.args)) + access.slot, &pointer, sizeof(pointer));
    }
  }
}

int Recording::bind(uint64_t serial, int64_t origin) {
  Binding bound{serial, nullptr, false, {}};
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (access.serial != serial) continue;
      auto* slot = static_cast<char*>(const_cast<void*>(call.args)) + access.slot;
      bound.patches.push_back({reinterpret_cast<char**>(slot), access.delta - origin, &call});
      bound.written |= access.write;
    }
  }
  bindings_.push_back(std::move(bound));
  return static_cast<int>(bindings_.size()) - 1;
}

// ---- running ----

void Recording::report_value(const Run* run, int64_t index, int64_t value, int64_t low, int64_t high) {
  auto* self = static_cast<Recording*>(run->owner);
  Report& report = *self->report_;
  std::lock_guard lock(report.mutex);
  if (!report.value.seen || index < report.value.index) report.value = {true, index, value, low, high};
}

void Recording::add_runnable(const Call& call) {
  const double cost = estimated_microseconds(call);
  microseconds_ += cost;
  Run run = serial_run();
  run.report = report_value;
  run.owner = this;
  runnable_.push_back({call.kernel.invoke, call.kernel.function, call.args, run, worth_threads(cost), &call});
}

void Recording::add_chain(std::unique_ptr<Chain> chain) {
  describe(chain.get());
  const Call& call = chain->call;
  const double cost = estimated_microseconds(call);
  microseconds_ += cost;
  rewrites_.push_back(std::string("one pass: ") + call.op + text_of_site(call.site));
  Run run = serial_run();
  runnable_.push_back({call.kernel.invoke, call.kernel.function, call.args, run, worth_threads(cost), &call});
  chains_.push_back(std::move(chain));
}

void Recording::finish(const Options& options) {
  const size_t count = program_->size();
  std::vector<bool> gone(count, false);
  if (options.drop) {
    compute_constants(gone);
    drop_dead(gone);
  }
  if (options.copies) drop_copies(gone, options.stops);
  if (options.pack && prepacking()) pack_weights(gone, options.stops);
  std::vector<std::pair<size_t, std::unique_ptr<Chain>>> chains;  // where each begins
  std::vector<size_t> ends(count, 0);
  int64_t scratch = program_->scratch_bytes();
  for (const auto& [k, call] : switched_) scratch = std::max(scratch, call.scratch_bytes);
  for (size_t k = 0; options.fuse && k < count;) {
    size_t end = k + 1;
    if (!gone[k]) {
      if (auto chain = chain_from(k, gone, options.stops, &end)) {
        scratch = std::max(scratch, chain->scratch_bytes * program_->threads());
        ends[k] = end;
        chains.emplace_back(k, std::move(chain));
      } else {
        end = k + 1;
      }
    }
    k = end;
  }
  scratch_bytes_ = scratch;
  positions_.assign(count + 1, 0);
  std::unordered_map<Storage*, bool> written;
  size_t next_chain = 0;
  for (size_t k = 0; k < count;) {
    const size_t first = k;
    if (next_chain < chains.size() && chains[next_chain].first == k) {
      k = ends[k];
      for (size_t i = first; i < k; ++i) positions_[i] = runnable_.size();
      add_chain(std::move(chains[next_chain++].second));
    } else {
      positions_[k] = runnable_.size();
      add_packs(k);
      const auto other = switched_.find(k);
      if (!gone[k]) add_runnable(other == switched_.end() ? program_->call(k) : other->second);
      ++k;
    }
    for (size_t i = first; i < k; ++i) {
      const Call& call = program_->call(i);
      for (size_t j = 0; j < call.access_count && !gone[i]; ++j) {
        const Access& access = call.accesses[j];
        if (access.write && !inside(access) && !is_bound(access.serial)) written[access.storage] = true;
      }
    }
  }
  positions_[count] = runnable_.size();
  for (const auto& [storage, unused] : written) written_.push_back(storage);
  make_graph();
  // An argument's memory is the caller's: the one of the recorded call is let go.
  for (const Binding& bound : bindings_) program_->forget(bound.serial);
}

std::vector<std::pair<std::string, std::string>> Recording::kernels() const {
  std::vector<std::pair<std::string, std::string>> names;
  for (const Runnable& call : runnable_) names.emplace_back(call.call->op, call.call->kernel.name);
  return names;
}

// A recording that stays on one device may run as that device's graph.
void Recording::make_graph() {
  std::vector<const Call*> calls;
  const Device* device = nullptr;
  if (!chains_.empty()) return;
  for (const Runnable& runnable : runnable_) {
    calls.push_back(runnable.call);
    for (size_t i = 0; i < runnable.call->access_count; ++i) {
      const Device& found = runnable.call->accesses[i].storage->device;
      if (device && !(*device == found)) return;
      device = &found;
    }
  }
  const MakeDeviceGraph make = device ? device_graphs[static_cast<int>(device->type)] : nullptr;
  if (make) graph_ = make(calls, *device);
}

void Recording::tell_graph(const Binding& bound) {
  for (const Patch& patch : bound.patches) {
    for (size_t k = 0; k < runnable_.size(); ++k) {
      if (runnable_[k].call == patch.call) graph_->update(k, patch.call->args);
    }
  }
}

void Recording::set_threads(int threads) {
  threads_ = threads;
  for (Runnable& call : runnable_) call.run.threads = call.parallel ? threads : 1;
}

// Kernels that want none may be given it too.
void Recording::set_scratch(void* scratch) {
  scratch_ = scratch;
  for (Runnable& call : runnable_) call.run.scratch = scratch;
}

void Recording::add_used(std::unordered_set<const Storage*>* used) const {
  for (const Call& call : program_->calls()) {
    for (size_t i = 0; i < call.access_count; ++i) used->insert(call.accesses[i].storage);
  }
  for (const auto& [access, before] : recorded_) used->insert(before.storage);
}

bool Recording::run(size_t from, size_t to) {
  if (graph_) {
    graph_->launch();
    return true;
  }
  const int threads = std::min(num_threads(), program_->threads());
  if (threads != threads_) set_threads(threads);
  void* const scratch = thread_scratch("compile", scratch_bytes_);
  if (scratch != scratch_) set_scratch(scratch);
  const FlushSubnormals flush;
  if (from == 0) sampler_.next();
  const int64_t begin = sampler_.begin();
  for (size_t k = from; k < to; ++k) {
    const Runnable& call = runnable_[k];
    {
      const Profile::Timer timer(*call.call, call.run.threads, sampler_.weight());
      call.invoke(call.function, call.args, &call.run);
    }
    if (report_->value.seen) [[unlikely]] {
      report_->first = &call;
      return false;
    }
  }
  sampler_.took(to - from, begin);
  return true;
}

void Recording::raise_report() const {
  const ValueReport value = report_->value;
  report_->value = {};
  raise_value_report(*report_->first->call, value);
}

}  // namespace markone
