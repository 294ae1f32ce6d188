// A program made ready to be replayed: what its storages are (inputs, outputs, state), where its pointers
// stand, and what may be left out.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/profile.h"
#include "core/stream.h"

namespace markone {

// Counts what makes recordings stale: replaced or moved parameters, another ISA, a forced implementation.
uint64_t state_generation();
void bump_state_generation();

// Weights that are packed for the products after them.
struct PackedOnce;
void free_packed(PackedOnce* pack);

// Elementwise kernels that run one after the other on each tile of their elements.
struct Chain;
struct ChainArgs {
  const Chain* chain;
};
struct Chain {
  struct Part;
  ChainArgs args{this};
  std::vector<Part> parts;
  Call call{};  // all of them as one, for names and profiles: "add+mul"
  std::vector<Access> accesses;
  int64_t elements = 0;
  int64_t scratch_bytes = 0;  // for each thread
  Chain();
  ~Chain();
};
void run_chain(const ChainArgs* args, const Run* run);
// Fills `call` when all parts are known.
void describe(Chain* chain);

// Replays a whole recording as one launch on a device: where a CUDA graph comes in. A backend registers how
// one is made of the finished calls; without one they run call by call.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  // The argument struct of this call was patched: its node has to be told before the next launch.
  virtual void update(size_t call, const void* args) = 0;
  // Runs all calls in order and returns when what they wrote can be read.
  virtual void launch() = 0;
};
using MakeDeviceGraph = std::unique_ptr<DeviceGraph> (*)(const std::vector<const Call*>& calls,
                                                         Device device);
void set_device_graphs(DeviceType type, MakeDeviceGraph make);

class Recording {
 public:
  explicit Recording(std::shared_ptr<Program> program);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // ---- before finish() ----

  // The storage with this serial is known by a number to `difference`: an input, a gradient that was there.
  // `origin`: the byte in it where the tensor begins, which may differ from one recording to the other.
  void label(uint64_t serial, int label, int64_t origin) { labels_[serial] = {label, origin}; }
  // Why another recording of the same step is not the same: text that names a call and its place in the
  // user's code; empty where they are the same.
  std::string difference(const Recording& other) const;
  // The place of a storage among those that the calls touch, counted by first appearance; -1 where none does.
  int place_of(uint64_t serial) const;
  bool reads_before_writing(uint64_t serial) const;
  bool writes(uint64_t serial) const;
  bool touches(uint64_t serial) const;

  // Raises RuntimeError, naming the line, where a call writes NumPy memory that was wrapped while recording.
  void check_writes() const;
  // Remembers what captured NumPy memory holds that the calls only read, and names the first call that reads
  // such memory and finds it changed since; empty where none does.
  void note_outside();
  std::string changed_outside() const;
  // The site of the last call that wrote a block of the program's pool that somebody still holds; -1 none.
  // `first` is false where no call touched what is held.
  bool survivor(int32_t* site) const;

  // Every pointer into the storage with this serial goes to `home` from now on: memory that outlives the
  // program's pool.
  void redirect(uint64_t serial, const StorageRef& home) { move(serial, home, true); }
  // Every pointer into it can be moved by point(). `origin`: the byte in it that point() gives the address
  // of.
  int bind(uint64_t serial, int64_t origin);

  // Rewrites, and the calls as an array that runs.
  struct Options {
    bool drop = true, copies = true, fuse = true, pack = true;
    std::vector<size_t> stops;  // recorded calls before which Python has something to do
  };
  void finish(const Options& options);

  // ---- after ----

  void point(int binding, void* address) {
    Binding& bound = bindings_[static_cast<size_t>(binding)];
    if (bound.address == address) return;
    bound.address = address;
    for (const Patch& patch : bound.patches) *patch.slot = static_cast<char*>(address) + patch.delta;
    if (graph_) tell_graph(bound);
  }
  bool writes_binding(int binding) const { return bindings_[static_cast<size_t>(binding)].written; }

  // Runs the calls [from, to) of the finished list and gives false where one reported a value.
  bool run(size_t from, size_t to);
  // Says that all that the program writes was written.
  void bump_versions() const {
    for (Storage* storage : written_) storage->version.fetch_add(1, std::memory_order_relaxed);
  }
  [[noreturn]] void raise_report() const;
  // Where a position among the recorded calls is in the finished list.
  size_t position(size_t recorded) const { return positions_[recorded]; }
  size_t size() const { return runnable_.size(); }
  std::vector<std::pair<std::string, std::string>> kernels() const;  // operation and kernel of each
  double microseconds() const { return microseconds_; }

  const Program& program() const { return *program_; }
  const std::vector<std::string>& rewrites() const { return rewrites_; }
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // Every storage that the recording may look at again.
  void add_used(std::unordered_set<const Storage*>* used) const;

 private:
  struct Patch {
    char** slot;
    int64_t delta;
    const Call* call;
  };
  struct Binding {
    uint64_t serial;
    void* address;
    bool written;
    std::vector<Patch> patches;
  };
  struct Runnable {
    void (*invoke)(void (*function)(), const void* args, const Run* run);
    void (*function)();
    const void* args;
    Run run;
    bool parallel;
    const Call* call;
  };
  struct Report;
  struct Label {
    int number;
    int64_t origin;
  };

  static void report_value(const Run* run, int64_t index, int64_t value, int64_t low, int64_t high);
  bool same_storage(const Recording& other, const Access& a, const Access& b,
                    std::unordered_map<uint64_t, uint64_t>& pairs) const;
  int64_t origin_of(const Access& access) const {
    const auto at = labels_.find(access.serial);
    return at == labels_.end() ? 0 : at->second.origin;
  }
  bool inside(const Access& access) const { return access.storage->owner() == program_->pool(); }
  // `shown`: the access lists say so too; else only the pointers go elsewhere.
  void move(uint64_t serial, const StorageRef& home, bool shown);
  void set_threads(int threads);
  void set_scratch(void* scratch);
  const std::byte* recorded_args(const Call& call) const {
    const auto at = recorded_args_.find(&call);
    return at == recorded_args_.end() ? static_cast<const std::byte*>(call.args) : at->second.data();
  }
  void make_graph();
  void tell_graph(const Binding& bound);
  bool is_bound(uint64_t serial) const;
  void compute_constants(std::vector<bool>& gone);
  void drop_dead(std::vector<bool>& gone);
  void drop_copies(std::vector<bool>& gone, const std::vector<size_t>& stops);
  // Products, one after the other, of the same weights.
  struct Product {
    Storage* weights;
    std::vector<size_t> calls;
    bool changed = false;  // by the program
  };
  std::vector<Product> products_of_weights(const std::vector<bool>& gone,
                                           const std::vector<size_t>& stops) const;
  void pack_weights(const std::vector<bool>& gone, const std::vector<size_t>& stops);
  void add_packs(size_t k);
  bool is_needless(size_t k, const std::vector<bool>& gone, const std::vector<size_t>& stops) const;
  void read_source(const Call& copy, const Call& reader, Access* access);
  // As it was recorded, whatever a rewrite has made of it.
  const Access& recorded(const Access& access) const {
    const auto at = recorded_.find(&access);
    return at == recorded_.end() ? access : at->second;
  }
  bool may_alternate(const Call& a, const Chain::Part& pa, const Call& b, const Chain::Part& pb) const;
  std::unique_ptr<Chain> chain_from(size_t first, const std::vector<bool>& gone,
                                    const std::vector<size_t>& stops, size_t* end) const;
  void add_runnable(const Call& call);
  void add_chain(std::unique_ptr<Chain> chain);

  std::shared_ptr<Program> program_;
  std::unordered_map<uint64_t, Label> labels_;
  std::unordered_map<uint64_t, StorageRef> homes_;
  std::unordered_map<uint64_t, uint64_t> outside_;  // a hash of what captured NumPy memory held
  // What rewrites have changed in the calls, as it was.
  std::unordered_map<const Access*, Access> recorded_;
  std::unordered_map<const Call*, std::vector<std::byte>> recorded_args_;
  std::unordered_map<size_t, Call> switched_;  // what runs instead
  std::vector<std::unique_ptr<PackedOnce, void (*)(PackedOnce*)>> packs_;
  std::unordered_multimap<size_t, const Call*> packs_before_;
  std::vector<Binding> bindings_;
  std::vector<Runnable> runnable_;
  std::vector<size_t> positions_;
  std::vector<Storage*> written_;
  std::vector<std::string> rewrites_;
  std::vector<std::unique_ptr<Chain>> chains_;
  int64_t scratch_bytes_ = 0;
  void* scratch_ = nullptr;  // of the thread that ran it last
  std::unique_ptr<DeviceGraph> graph_;
  std::unique_ptr<Report> report_;
  double microseconds_ = 0;
  int threads_ = 0;
  Profile::Sampler sampler_;
};

}  // namespace markone
