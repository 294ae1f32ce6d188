#include "core/profile.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/stream.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace markone {
namespace {

std::mutex mutex;
std::vector<ProfileEvent> events;  // their times in ticks until the end
std::atomic<int64_t> started = 0;  // ticks
std::chrono::steady_clock::time_point started_at;

int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The processor's own counter, where it runs at one rate on all cores, is read in a third of the clock's
// time.
#if defined(__x86_64__)
bool counter_is_steady() {
  unsigned a, b, c, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
}
const bool kCounts = counter_is_steady();
int64_t ticks() { return kCounts ? static_cast<int64_t>(__builtin_ia32_rdtsc()) : steady_nanoseconds(); }
#else
int64_t ticks() { return steady_nanoseconds(); }
#endif

double nanoseconds_per_tick() {
  const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - started_at;
  return passed.count() / std::max(1.0, static_cast<double>(ticks() - started));
}

// What one timed kernel costs, and what share of a replay its timing may take.
constexpr double kTimingNanoseconds = 60, kTimingShare = 0.02;
// So many replays are timed whatever it costs, for the counts of a short profile; and never fewer than one of
// so many.
constexpr int32_t kTimedFirst = 16, kLongestPeriod = 1000;

int32_t thread_number() {
  static std::atomic<int32_t> threads{0};
  thread_local const int32_t mine = threads.fetch_add(1);
  return mine;
}

}  // namespace

std::atomic<bool> Profile::on_{false};

int64_t Profile::now() { return ticks(); }

void Profile::begin() {
  const std::lock_guard lock(mutex);
  MO_CHECK_KIND(ErrorKind::kRuntime, !on_.load(), "profile",
                "another profile is on already; profiles cannot be nested, and one covers every thread");
  events.clear();
  started_at = std::chrono::steady_clock::now();
  started = ticks();
  on_.store(true);
}

std::vector<ProfileEvent> Profile::end() {
  const std::lock_guard lock(mutex);
  MO_CHECK_KIND(ErrorKind::kRuntime, on_.load(), "profile", "no profile is on");
  on_.store(false);
  std::vector<ProfileEvent> out;
  out.swap(events);
  const double rate = nanoseconds_per_tick();
  for (ProfileEvent& event : out) {
    for (int64_t* time : {&event.begin, &event.end}) *time = std::llround(static_cast<double>(*time) * rate);
  }
  return out;
}

int32_t Profile::Sampler::choose() {
  if (profile_ != started) *this = {}, profile_ = started;
  ++seen_;
  if (++since_ < period_) return 0;
  return std::exchange(since_, 0);
}

void Profile::Sampler::adapt(size_t kernels, int64_t begin) {
  if (seen_ < kTimedFirst) return;
  const double timing = kTimingNanoseconds * static_cast<double>(kernels);
  const double took = static_cast<double>(ticks() - begin) * nanoseconds_per_tick();
  const double period = std::ceil(timing / (kTimingShare * std::max(took - timing, took / 4)));
  period_ = static_cast<int32_t>(std::min<double>(period, kLongestPeriod));
}

void Profile::record(const Call& call, int threads, int32_t weight, int64_t begin, int64_t end) noexcept {
  ProfileEvent event{call.op,
                     call.kernel.name,
                     call.plan,
                     0,
                     0,
                     weight,
                     call.flops,
                     0,
                     0,
                     thread_number(),
                     static_cast<int16_t>(threads),
                     false};
  for (size_t i = 0; i < call.access_count; ++i) {
    const Access& access = call.accesses[i];
    (access.write ? event.written_bytes : event.read_bytes) += access.bytes;
    for (size_t j = 0; access.write && j < call.access_count; ++j)
      event.in_place |= !call.accesses[j].write && call.accesses[j].storage == access.storage;
  }
  const std::lock_guard lock(mutex);
  // A call that began under the profile before this one, or ends after it.
  if (!on_.load() || begin < started) return;
  event.begin = begin - started;
  event.end = end - started;
  try {
    events.push_back(event);
  } catch (...) {  // out of memory: the profile is incomplete, the call is not harmed
  }
}

}  // namespace markone
