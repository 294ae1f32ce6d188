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
  int32_t weight;      // how many calls it stands for: a short replay's kernels are not timed every time
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

  // Times a call from its construction to its destruction, where its weight is not 0.
  class Timer {
   public:
    Timer(const Call& call, int threads, int32_t weight)
        : call_(call), threads_(threads), weight_(weight), begin_(weight ? now() : 0) {}
    ~Timer() {
      if (weight_) [[unlikely]]
        record(call_, threads_, weight_, begin_, now());
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    const Call& call_;
    int threads_;
    int32_t weight_;
    int64_t begin_;
  };

  // Which replays of a program have their kernels timed: all, or as few as keep the timing below 2 % of them.
  class Sampler {
   public:
    void next() { weight_ = on() ? choose() : 0; }
    // Of the replay that runs now; 0 where it is not timed.
    int32_t weight() const { return weight_; }
    int64_t begin() const { return weight_ ? now() : 0; }
    void took(size_t kernels, int64_t begin) {
      if (weight_) [[unlikely]]
        adapt(kernels, begin);
    }

   private:
    int32_t choose();
    void adapt(size_t kernels, int64_t begin);
    int64_t profile_ = -1;  // that the counts are of
    int32_t weight_ = 0, seen_ = 0, since_ = 0, period_ = 1;
  };

 private:
  static int64_t now();
  static void record(const Call& call, int threads, int32_t weight, int64_t begin, int64_t end) noexcept;
  static std::atomic<bool> on_;
};

}  // namespace markone
