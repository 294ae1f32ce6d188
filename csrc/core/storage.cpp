#include "core/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/cuda.h"
#include "core/error.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define MARKONE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define MARKONE_SANITIZED 1
#endif
#endif
#ifndef MARKONE_SANITIZED
#define MARKONE_SANITIZED 0
#endif

namespace markone {
namespace {

// Under a sanitizer every block goes back at once, so that it can see a use after free.
constexpr bool kCache = !MARKONE_SANITIZED;
// More than this in free blocks and the pool gives what comes back to the operating system.
constexpr int64_t kMaxCachedBytes = int64_t{2} << 30;
constexpr int64_t kGuardBytes = 64;
constexpr unsigned char kGuardByte = 0xA5;

std::atomic<bool> guarded{false};
std::atomic<int64_t> damaged{0};
thread_local Pool* thread_pool = nullptr;
std::atomic<uint64_t> serials{1};

uint64_t take_serial() { return serials.fetch_add(1, std::memory_order_relaxed); }

// Four classes to a power of two: at most 25 % of a block is unused. Class c holds (4 + c % 4) << (c / 4 + 4)
// bytes.
int size_class(int64_t bytes) {
  const uint64_t need = static_cast<uint64_t>(std::max<int64_t>(bytes, 64));
  const int top = std::bit_width(need - 1) - 1;  // need is in (2^top, 2^(top+1)]
  const int shift = std::max(top - 2, 4);
  const uint64_t quarters = (need + (uint64_t{1} << shift) - 1) >> shift;  // 4..8
  return static_cast<int>((shift - 4) * 4 + static_cast<int>(quarters) - 4);
}
void (*watcher)(uint64_t serial) = nullptr;

int64_t class_bytes(int c) { return static_cast<int64_t>(4 + c % 4) << (c / 4 + 4); }

#if defined(__linux__)
// Large blocks ask for huge pages: a stream over 4 KiB pages waits for the page table at each of them. Only
// whole huge pages are asked for, so that none is left half empty.
constexpr int64_t kHugePage = int64_t{2} << 20;
void* huge_allocate(int64_t bytes) {
  void* data = std::aligned_alloc(kHugePage, static_cast<size_t>((bytes + 63) / 64 * 64));
  if (data) madvise(data, static_cast<size_t>(bytes / kHugePage * kHugePage), MADV_HUGEPAGE);
  return data;
}
#endif

void* system_allocate(int64_t bytes) {
#if defined(__linux__)
  if (kCache && bytes >= kHugePage) return huge_allocate(bytes);
#endif
  const int64_t rounded = (bytes + Pool::kAlignment - 1) / Pool::kAlignment * Pool::kAlignment;
#if defined(_WIN32)
  return _aligned_malloc(static_cast<size_t>(rounded), Pool::kAlignment);
#else
  return std::aligned_alloc(Pool::kAlignment, static_cast<size_t>(rounded));
#endif
}
void system_free(void* data) {
#if defined(_WIN32)
  _aligned_free(data);
#else
  std::free(data);
#endif
}

[[noreturn]] void fail_without_memory(const char* op, int64_t bytes, Device device, int64_t in_use) {
  if (device.type == DeviceType::kCPU) {
    fail(ErrorKind::kMemory, op, "no memory for ", bytes, " bytes (", in_use, " bytes are in use)");
  }
  int64_t free_bytes = 0, total = 0;
  cuda_api()->memory(device.index, &free_bytes, &total);
  fail(ErrorKind::kMemory, op, "no memory on ", to_string(device), " for ", bytes, " bytes (", in_use,
       " bytes are in use here, ", free_bytes, " of ", total, " are free)");
}

// Null where there is no memory.
void* allocate_on(const char* op, Device device, int64_t bytes) {
  if (device.type == DeviceType::kCPU) return system_allocate(bytes);
  check_device(op, device);
  use_device(op, device);
  void* data = nullptr;
  return cuda_api()->allocate(bytes, &data) == 0 ? data : nullptr;
}
void free_on(Device device, void* data) {
  if (device.type == DeviceType::kCPU) return system_free(data);
  use_device("release", device);
  cuda_api()->release(data);
}
void fill_on(Device device, void* data, unsigned char byte, int64_t bytes) {
  if (device.type == DeviceType::kCPU) {
    std::memset(data, byte, static_cast<size_t>(bytes));
  } else {
    check_cuda("guard", cuda_api()->fill(data, byte, bytes, device_stream(device)));
  }
}

bool guard_intact(Device device, const unsigned char* guard) {
  unsigned char bytes[kGuardBytes];
  if (device.type == DeviceType::kCPU) {
    std::memcpy(bytes, guard, kGuardBytes);
  } else {
    copy_bytes("guard", bytes, {}, guard, device, kGuardBytes);
  }
  return std::all_of(bytes, bytes + kGuardBytes, [](unsigned char byte) { return byte == kGuardByte; });
}

}  // namespace

// The size class of a guarded block: 64 guard bytes, the data, 64 guard bytes.
static constexpr int kGuardedClass = -2;

void set_storage_watcher(void (*freed)(uint64_t serial)) { watcher = freed; }

void Storage::destroy() {
  if (watched.load(std::memory_order_relaxed)) [[unlikely]] {
    watched.store(false, std::memory_order_relaxed);
    watcher(serial);
  }
  if (free_outside_) {
    free_outside_(outside_);
    delete this;
  } else {
    pool_->take_back(this);
  }
}

Pool* Storage::reused_by() const { return kCache && size_class_ >= 0 ? pool_ : nullptr; }

uint64_t next_serial() { return serials.load(std::memory_order_relaxed); }

StorageRef wrap_outside(void* data, int64_t bytes, bool read_only, void (*free_outside)(void*),
                        void* context) {
  StorageRef storage(new Storage);
  storage->data = data;
  storage->bytes = bytes;
  storage->read_only = read_only;
  storage->serial = take_serial();
  storage->exported.store(true, std::memory_order_relaxed);
  storage->free_outside_ = free_outside;
  storage->outside_ = context;
  return storage;
}

Pool& Pool::shared() {
  // Never destroyed: arrays may outlive static destructors.
  static Pool* pool = [] {
    auto* made = new Pool(true);
#if defined(__unix__) || defined(__APPLE__)
    // A fork while another thread is in here would leave the child a lock that nobody opens.
    pthread_atfork([] { shared().mutex_.lock(); }, [] { shared().mutex_.unlock(); },
                   [] { shared().mutex_.unlock(); });
#endif
    return made;
  }();
  return *pool;
}
Pool& Pool::current() { return thread_pool ? *thread_pool : shared(); }
Pool* Pool::make_private() { return new Pool(false); }

void Pool::share() { refs_.fetch_add(1, std::memory_order_relaxed); }
void Pool::drop() { unref(); }

void Pool::unref() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1 && !shared_) {
    trim();
    delete this;
  }
}

Pool::Shelf& Pool::shelf(Device device) {
  auto& found = shelves_[device.type == DeviceType::kCPU ? 0 : 1 + device.index];
  if (!found) found = std::make_unique<Shelf>();
  return *found;
}

// A free block of the class, or nothing.
StorageRef Pool::reused(Shelf& shelf, int wanted, int64_t bytes) {
  if (shelf.free[wanted].empty()) return {};
  Storage* storage = shelf.free[wanted].back();
  shelf.free[wanted].pop_back();
  storage->bytes = bytes;
  storage->serial = take_serial();
  PoolStats& stats = shelf.stats;
  stats.cached_bytes -= class_bytes(wanted);
  stats.allocated_bytes += class_bytes(wanted);
  stats.peak_bytes = std::max(stats.peak_bytes, stats.allocated_bytes);
  refs_.fetch_add(1, std::memory_order_relaxed);
  return StorageRef(storage);
}

StorageRef Pool::allocate(const char* op, int64_t bytes, Device device) {
  // No address space is larger, and rounding a size up stays far from overflow.
  constexpr int64_t kMaxBytes = int64_t{1} << 48;
  MO_CHECK_KIND(ErrorKind::kMemory, bytes <= kMaxBytes, op, "no memory for ", bytes, " bytes");
  const int wanted = size_class(bytes);
  const bool guard = guarded.load(std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    Shelf& mine = shelf(device);
    ++mine.stats.requests;
    if (!guard) {
      if (StorageRef block = reused(mine, wanted, bytes)) return block;
    }
    ++mine.stats.system_requests;
  }
  const int64_t block =
      guard ? bytes + 2 * kGuardBytes : (kCache ? class_bytes(wanted) : std::max<int64_t>(bytes, 1));
  void* data = allocate_on(op, device, block);
  if (!data) {
    shared().trim();
    data = allocate_on(op, device, block);
  }
  if (!data) fail_without_memory(op, bytes, device, stats(device).allocated_bytes);
  Storage* storage = new Storage;
  storage->pool_ = this;
  storage->bytes = bytes;
  storage->device = device;
  storage->serial = take_serial();
  storage->size_class_ = guard ? kGuardedClass : wanted;
  storage->data = data;
  if (guard) {
    fill_on(device, data, kGuardByte, block);
    storage->data = static_cast<char*>(data) + kGuardBytes;
  }
  refs_.fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  PoolStats& stats = shelf(device).stats;
  stats.allocated_bytes += guard ? bytes : class_bytes(wanted);
  stats.peak_bytes = std::max(stats.peak_bytes, stats.allocated_bytes);
  return StorageRef(storage);
}

void Pool::take_back(Storage* storage) {
  const Device device = storage->device;
  if (storage->size_class_ == kGuardedClass) {
    auto* data = static_cast<unsigned char*>(storage->data);
    if (!guard_intact(device, data - kGuardBytes) || !guard_intact(device, data + storage->bytes)) {
      damaged.fetch_add(1);
    }
    free_on(device, data - kGuardBytes);
    {
      std::lock_guard lock(mutex_);
      shelf(device).stats.allocated_bytes -= storage->bytes;
    }
    delete storage;
  } else {
    std::unique_lock lock(mutex_);
    Shelf& mine = shelf(device);
    const int64_t size = class_bytes(storage->size_class_);
    mine.stats.allocated_bytes -= size;
    // A recorded program points into its pool's free blocks, so a private pool keeps them all; what is free
    // on a device is kept until somebody needs it.
    const bool keeps =
        !shared_ || device.type != DeviceType::kCPU || mine.stats.cached_bytes + size <= kMaxCachedBytes;
    if (kCache && keeps) {
      mine.stats.cached_bytes += size;
      storage->exported.store(false, std::memory_order_relaxed);
      mine.free[storage->size_class_].push_back(storage);
    } else {
      lock.unlock();
      free_on(device, storage->data);
      delete storage;
    }
  }
  unref();
}

void Pool::trim() { trim({}); }

void Pool::trim(const std::unordered_set<const Storage*>& used) {
  std::lock_guard lock(mutex_);
  for (auto& mine : shelves_) {
    if (!mine) continue;
    for (auto& list : mine->free) {
      std::erase_if(list, [&](Storage* storage) {
        if (used.count(storage)) return false;
        mine->stats.cached_bytes -= class_bytes(storage->size_class_);
        free_on(storage->device, storage->data);
        delete storage;
        return true;
      });
    }
  }
}

PoolStats Pool::stats(Device device) {
  std::lock_guard lock(mutex_);
  return shelf(device).stats;
}

void Pool::set_guarded(bool on) { guarded.store(on); }
int64_t Pool::damaged_guards() { return damaged.load(); }

PoolScope::PoolScope(Pool* pool) : before_(thread_pool) { thread_pool = pool; }
PoolScope::~PoolScope() { thread_pool = before_; }

}  // namespace markone
