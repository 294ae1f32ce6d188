// A block of memory that arrays share, and the pools it comes from.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/device.h"

namespace markone {

class Pool;
class StorageRef;

// Reference counted from inside, so that a Call can hold one pointer. Never copied.
class Storage {
 public:
  void* data = nullptr;
  int64_t bytes = 0;  // what was asked for
  Device device;
  bool read_only = false;             // NumPy and DLPack memory that its owner may not be written through
  std::atomic<bool> exported{false};  // somebody outside may write without bumping the version
  std::atomic<uint64_t> version{0};   // bumped by every write that passes the Stream
  std::atomic<bool> watched{false};   // the watcher is told when it is freed
  uint64_t serial = 0;  // anew each time it is handed out: (serial, version) names a value for good

  // Freed, its memory waits in this pool for the next request; null where it goes back to its owner or the
  // system.
  Pool* reused_by() const;
  Pool* owner() const { return pool_; }  // null for outside memory
  bool held() const { return refs_.load(std::memory_order_relaxed) > 0; }
  bool from_outside() const { return free_outside_ != nullptr; }  // somebody else's memory

  bool sole() const { return refs_.load(std::memory_order_relaxed) == 1; }
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

 private:
  friend class Pool;
  friend StorageRef wrap_outside(void*, int64_t, bool, void (*)(void*), void*);
  void destroy();

  std::atomic<int64_t> refs_{0};
  Pool* pool_ = nullptr;  // owned memory goes back here
  int size_class_ = -1;
  void (*free_outside_)(void* context) = nullptr;  // outside memory is given back by this
  void* outside_ = nullptr;
};

class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* storage) : storage_(storage) {
    if (storage_) storage_->retain();
  }
  StorageRef(const StorageRef& other) : StorageRef(other.storage_) {}
  StorageRef(StorageRef&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StorageRef& operator=(StorageRef other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StorageRef() {
    if (storage_) storage_->release();
  }
  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  explicit operator bool() const { return storage_ != nullptr; }

 private:
  Storage* storage_ = nullptr;
};

// Called with the serial of each watched storage whose last reference goes: what was made of its values can
// go too. It may free other storages.
void set_storage_watcher(void (*freed)(uint64_t serial));

// The serial that the next storage gets: what was handed out earlier has a smaller one.
uint64_t next_serial();

// Wraps memory that somebody else owns; free_outside(context) runs when the last array is gone.
StorageRef wrap_outside(void* data, int64_t bytes, bool read_only, void (*free_outside)(void*),
                        void* context);

struct PoolStats {
  int64_t allocated_bytes = 0;  // handed out now
  int64_t peak_bytes = 0;
  int64_t cached_bytes = 0;     // waiting to be reused
  int64_t requests = 0;         // all calls of allocate()
  int64_t system_requests = 0;  // those that the operating system served
};

// A caching allocator. Blocks are 64-byte aligned (one cache line, one AVX-512 register) and are reused by
// size class. The shared pool serves everything; a recording has a pool of its own, so that what is freed
// while recording is reused inside the program only. A pool lives until its last block is back.
class Pool {
 public:
  static constexpr int64_t kAlignment = 64;

  static Pool& shared();
  static Pool& current();       // this thread's: the shared one unless a PoolScope is open
  static Pool* make_private();  // one reference, given back with drop()
  void share();                 // one more reference
  void drop();

  StorageRef allocate(const char* op, int64_t bytes, Device device = {});
  void trim();  // gives cached blocks back to the operating system and to the devices
  // The same, but for those in use: a recorded program points into its pool's free blocks.
  void trim(const std::unordered_set<const Storage*>& used);
  PoolStats stats(Device device = {});

  // Every block allocated from now on stands between two 64-byte guards of a fixed pattern, and is never
  // cached. Tests run kernels under it and then ask damaged_guards().
  static void set_guarded(bool on);
  static int64_t damaged_guards();  // how many frees have found a changed guard

 private:
  friend class Storage;
  friend class PoolScope;
  explicit Pool(bool is_shared) : shared_(is_shared) {}
  // What the pool has on one device.
  struct Shelf {
    std::vector<Storage*> free[64 * 4];  // by size class
    PoolStats stats;
  };
  Shelf& shelf(Device device);  // with the lock held
  StorageRef reused(Shelf& shelf, int size_class, int64_t bytes);
  void take_back(Storage* storage);
  void unref();

  std::mutex mutex_;
  std::unique_ptr<Shelf> shelves_[1 + kMaxCudaDevices];  // the cpu's first
  std::atomic<int64_t> refs_{1};
  bool shared_ = false;
};

// While it lives, this thread allocates from `pool`.
class PoolScope {
 public:
  explicit PoolScope(Pool* pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;

 private:
  Pool* before_;
};

}  // namespace markone
