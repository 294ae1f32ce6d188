#include "core/profile.h"

#include <chrono>
#include <mutex>

#include "core/error.h"
#include "core/stream.h"

namespace markone {
namespace {

std::mutex mutex;
std::vector<ProfileEvent> events;
int64_t started = 0;

int32_t thread_number() {
  static std::atomic<int32_t> threads{0};
  thread_local const int32_t mine = threads.fetch_add(1);
  return mine;
}

}  // namespace

std::atomic<bool> Profile::on_{false};

int64_t Profile::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Profile::begin() {
  const std::lock_guard lock(mutex);
  MO_CHECK_KIND(ErrorKind::kRuntime, !on_.load(), "profile",
                "another profile is on already; profiles cannot be nested, and one covers every thread");
  events.clear();
  started = now();
  on_.store(true);
}

std::vector<ProfileEvent> Profile::end() {
  const std::lock_guard lock(mutex);
  MO_CHECK_KIND(ErrorKind::kRuntime, on_.load(), "profile", "no profile is on");
  on_.store(false);
  std::vector<ProfileEvent> out;
  out.swap(events);
  return out;
}

void Profile::record(const Call& call, int threads, int64_t begin, int64_t end) noexcept {
  ProfileEvent event{call.op,
                     call.kernel.name,
                     call.plan,
                     0,
                     0,
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
