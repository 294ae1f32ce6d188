#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/error.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace markone {
namespace {

constexpr int kMaxThreads = 256;
// A sleeping worker takes about this long to wake, so spinning longer than it costs more than it can save.
constexpr auto kSpin = std::chrono::microseconds(30);

thread_local bool inside_chunk = false;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Where a worker went to sleep. On a busy machine the system wakes it on the processor of the one that wakes
// it, and leaves the two there to take turns for a tenth of a second.
struct Place {
#if defined(__linux__)
  void settle() {
    if (!thread.load(std::memory_order_relaxed)) thread.store(static_cast<pid_t>(syscall(SYS_gettid)));
    processor.store(sched_getcpu(), std::memory_order_release);
  }

  // Forbids a sleeper the processor of the calling thread, if it is there: any other of the caller's will do.
  void keep_off(int here) {
    if (processor.load(std::memory_order_acquire) != here) return;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
    CPU_CLR(here, &allowed);
    if (CPU_COUNT(&allowed) > 0) sched_setaffinity(thread.load(), sizeof(allowed), &allowed);
  }
  static int here() { return sched_getcpu(); }

  std::atomic<pid_t> thread{0};
  std::atomic<int> processor{-1};
#else
  void settle() {}
  void keep_off(int) {}
  static int here() { return 0; }
#endif
};

// One loop at a time. The claim word holds the loop's number in its high half and the next chunk in its low
// half. Each loop has two numbers: while the first stands nothing can be claimed and the loop is described,
// the second opens it. So a worker that comes late to an ended loop can never take a chunk of the next one.
class Workers {
 public:
  // One that was never used; the others live as long as the process, and a fork abandons them.
  static void discard(Workers* unused) { delete unused; }

  bool try_run(int threads, int64_t chunks, ChunkFn body, void* context) {
    std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) return false;
    grow(threads - 1);
    claim_.store(static_cast<uint64_t>(++loop_) << 32 | kClosed);
    // Each is a release: a worker that reads one of them cannot claim by the word that stood before.
    body_.store(body, std::memory_order_release);
    context_.store(context, std::memory_order_release);
    chunks_.store(static_cast<uint32_t>(chunks), std::memory_order_release);
    helpers_.store(threads - 1, std::memory_order_release);
    done_.store(0, std::memory_order_relaxed);
    const uint32_t loop = ++loop_;
    // Sequentially consistent, as the count of sleepers: either this sees the sleeper or the sleeper sees the
    // loop.
    claim_.store(static_cast<uint64_t>(loop) << 32);
    if (sleeping_.load() > 0) {
      const int here = Place::here();
      std::lock_guard lock(sleep_mutex_);
      for (int slot = 1; slot < threads; ++slot) places_[slot].keep_off(here);
      wake_.notify_all();
    }
    work(loop, 0);
    // A slow worker delays only the chunk it holds.
    for (int spins = 0; done_.load(std::memory_order_acquire) != chunks;) {
      if (spins < 2000) {
        ++spins;
        relax();
      } else {
        std::this_thread::yield();
      }
    }
    return true;
  }

 private:
  static constexpr uint64_t kClosed = uint64_t{1} << 31;  // more chunks than a loop can have

  void work(uint32_t loop, int slot) {
    inside_chunk = true;
    for (;;) {
      uint64_t seen = claim_.load(std::memory_order_acquire);
      if (static_cast<uint32_t>(seen >> 32) != loop) break;
      const uint32_t chunk = static_cast<uint32_t>(seen);
      if (chunk >= chunks_.load(std::memory_order_acquire)) break;
      const ChunkFn body = body_.load(std::memory_order_acquire);
      void* context = context_.load(std::memory_order_acquire);
      // The exchange fails if another loop has been announced since, so what was read above belongs to this
      // one.
      if (!claim_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) continue;
      body(context, chunk, slot);
      done_.fetch_add(1, std::memory_order_release);
    }
    inside_chunk = false;
  }

  void grow(int count) {
    while (threads_ < count) {
      try {
        const int slot = threads_ + 1;
        std::thread([this, slot] { main(slot); }).detach();
      } catch (const std::system_error&) {
        return;  // the system gives no more threads; those that there are do the work
      }
      ++threads_;
    }
  }

  void main(int slot) {
    FlushSubnormals flush;
    uint32_t seen = 0;
    for (;;) {
      auto deadline = std::chrono::steady_clock::now() + kSpin;
      uint32_t loop;
      while ((loop = static_cast<uint32_t>(claim_.load(std::memory_order_acquire) >> 32)) == seen) {
        relax();
        if (std::chrono::steady_clock::now() < deadline) continue;
        std::unique_lock lock(sleep_mutex_);
        places_[slot].settle();
        sleeping_.fetch_add(1);
        wake_.wait(lock, [&] { return static_cast<uint32_t>(claim_.load() >> 32) != seen; });
        sleeping_.fetch_sub(1);
      }
      seen = loop;
      if (slot <= helpers_.load(std::memory_order_acquire)) work(loop, slot);
    }
  }

  std::mutex owner_;
  std::atomic<uint64_t> claim_{0};
  std::atomic<uint32_t> chunks_{0};
  std::atomic<uint32_t> done_{0};
  std::atomic<ChunkFn> body_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int> helpers_{0};
  uint32_t loop_ = 0;
  int threads_ = 0;
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<int> sleeping_{0};
  Place places_[kMaxThreads];
};

// A child of fork() has none of its parent's threads, so it starts again with a new pool.
std::atomic<Workers*> pool{nullptr};
Workers& workers() {
  Workers* current = pool.load(std::memory_order_acquire);
  if (current) return *current;
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    pool.store(nullptr);
    inside_chunk = false;
  });
  (void)registered;
#endif
  // Without a lock, which a fork could leave held: of two pools made at once the second is thrown away.
  auto* fresh = new Workers;
  if (pool.compare_exchange_strong(current, fresh)) return *fresh;
  Workers::discard(fresh);
  return *current;
}

int quota_from_cgroup() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kMaxThreads;
  return std::max(1, static_cast<int>(std::strtod(quota.c_str(), nullptr) / period + 0.5));
}

std::atomic<int> wanted{0};

}  // namespace

int default_num_threads() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) count = CPU_COUNT(&set);
#endif
  return std::clamp(std::min(count, quota_from_cgroup()), 1, kMaxThreads);
}

int num_threads() {
  int count = wanted.load(std::memory_order_relaxed);
  if (count == 0) [[unlikely]] {
    const char* forced = std::getenv("MARKONE_NUM_THREADS");
    char* end = nullptr;
    const long number = forced ? std::strtol(forced, &end, 10) : 0;
    MO_CHECK(!forced || !*forced || (*end == 0 && number >= 1 && number <= kMaxThreads),
             "MARKONE_NUM_THREADS", "'", forced, "' is not a number from 1 to ", kMaxThreads);
    count = number > 0 ? static_cast<int>(number) : default_num_threads();
    wanted.store(count);
  }
  return count;
}

void set_num_threads(int64_t count) {
  MO_CHECK(count >= 1 && count <= kMaxThreads, "set_num_threads", "got ", count, ", wants 1 to ",
           kMaxThreads);
  wanted.store(static_cast<int>(count));
}

void parallel_for(int threads, int64_t chunks, ChunkFn body, void* context) {
  // The claim word counts chunks in 31 bits; a kernel that made more would be cutting far too fine.
  const bool alone = threads <= 1 || chunks <= 1 || inside_chunk || chunks >= (int64_t{1} << 31);
  if (!alone &&
      workers().try_run(static_cast<int>(std::min<int64_t>(threads, chunks)), chunks, body, context))
    return;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) body(context, chunk, 0);
}

#if defined(__x86_64__)
// Bit 15 flushes results to zero, bit 6 reads subnormal operands as zero.
FlushSubnormals::FlushSubnormals() : before_(_mm_getcsr()) {
  _mm_setcsr(static_cast<unsigned>(before_) | 0x8040);
}
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(static_cast<unsigned>(before_)); }
#elif defined(__aarch64__)
FlushSubnormals::FlushSubnormals() {
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(before_));
  __asm__ __volatile__("msr fpcr, %0" ::"r"(before_ | (uint64_t{1} << 24)));
}
FlushSubnormals::~FlushSubnormals() { __asm__ __volatile__("msr fpcr, %0" ::"r"(before_)); }
#else
FlushSubnormals::FlushSubnormals() : before_(0) {}
FlushSubnormals::~FlushSubnormals() {}
#endif

}  // namespace markone
