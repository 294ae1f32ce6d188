// What every kernel call took, while a profile is on. One for the whole process: it sees every thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

namespace markone {

struct Call;
struct Plan;

struct ProfileEvent {
  const char* op;
  const char* kernel;
  const Plan* plan;    // null where the operation has no list of implementations
  int64_t begin, end;  // nanoseconds since the profile began
  double flops;
  int64_t read_bytes, written_bytes;
  int32_t thread;   // of the caller, counted from 0 as they come
  int16_t threads;  // that the kernel could use
  bool in_place;    // writes to a storage that it also reads
};

class Profile {
 public:
  static bool on() { return on_.load(std::memory_order_relaxed); }
  // Raises RuntimeError while one is on.
  static void begin();
  // All calls that ended since begin(), in the order in which they ended. Raises RuntimeError while none is
  // on.
  static std::vector<ProfileEvent> end();

  // Times a call from its construction to its destruction, where a profile is on.
  class Timer {
   public:
    Timer(const Call& call, int threads) : call_(call), threads_(threads), begin_(on() ? now() : -1) {}
    ~Timer() {
      if (begin_ >= 0) [[unlikely]]
        record(call_, threads_, begin_, now());
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    const Call& call_;
    int threads_;
    int64_t begin_;
  };

 private:
  static int64_t now();
  static void record(const Call& call, int threads, int64_t begin, int64_t end) noexcept;
  static std::atomic<bool> on_;
};

}  // namespace markone
