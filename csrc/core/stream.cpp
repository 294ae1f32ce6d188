#include "core/stream.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "core/cuda.h"
#include "core/parallel.h"
#include "core/profile.h"

namespace markone {
namespace {

// Rough costs, only good enough to tell a microsecond from a millisecond: arithmetic and memory rate of one
// core.
constexpr double kFlopsPerMicrosecond = 2e4;
constexpr double kBytesPerMicrosecond = 1e4;
// Below this a second thread costs more to wake than it saves.
constexpr double kParallelMicroseconds = 15;
// Below this giving the GIL away and getting it back costs more than anybody gains.
constexpr double kLongMicroseconds = 50;

LongCallHooks hooks;
SiteHooks sites;
thread_local Stream thread_stream;

// The smallest index wins, so that the message does not depend on the threads.
struct Owner {
  ValueReport report;
  std::mutex mutex;
};

void report_value(const Run* run, int64_t index, int64_t value, int64_t low, int64_t high) {
  auto* owner = static_cast<Owner*>(run->owner);
  std::lock_guard lock(owner->mutex);
  if (!owner->report.seen || index < owner->report.index) owner->report = {true, index, value, low, high};
}

void run_chunks(const Run* run, int64_t chunks, ChunkFn body, void* context) {
  parallel_for(run->threads, chunks, body, context);
}

void execute(const Call& call, int threads, Owner* owner) {
  const Run run{run_chunks, report_value, thread_scratch(call.op, call.scratch_bytes), threads, owner};
  const Profile::Timer timer(call, threads, Profile::on());
  call.kernel.invoke(call.kernel.function, call.args, &run);
  for (size_t i = 0; i < call.access_count; ++i) {
    if (call.accesses[i].write) call.accesses[i].storage->version.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

void* thread_scratch(const char* op, int64_t bytes) {
  thread_local StorageRef block;
  if (bytes == 0) return nullptr;
  if (!block || block->bytes < bytes) {
    block = {};
    block = Pool::shared().allocate(op, bytes);
  }
  return block->data;
}

double estimated_microseconds(const Call& call) {
  int64_t bytes = 0;
  for (size_t i = 0; i < call.access_count; ++i) bytes += call.accesses[i].bytes;
  return call.flops / kFlopsPerMicrosecond + static_cast<double>(bytes) / kBytesPerMicrosecond;
}
bool worth_threads(double microseconds) { return microseconds > kParallelMicroseconds; }
bool worth_releasing(double microseconds) { return microseconds > kLongMicroseconds; }

Run serial_run() { return {run_chunks, report_value, nullptr, 1, nullptr}; }

LongCall::LongCall(bool is_long) : state_(is_long && hooks.enter ? hooks.enter() : nullptr) {}
LongCall::~LongCall() {
  if (state_) hooks.leave(state_);
}

void raise_value_report(const Call& call, const ValueReport& report) {
  if (report.low > report.high) {  // a number of which `values` says what it should be
    fail(ErrorKind::kValue, call.op, call.values, ", got ", std::bit_cast<double>(report.value),
         " at flat index ", report.index);
  }
  const char* values = call.values ? call.values : "value";
  if (call.form == CallForm::kElementwise) {
    fail(ErrorKind::kValue, call.op, values, " at flat index ", report.index, " is ", report.value,
         ", integers cannot be divided by it");
  }
  fail(ErrorKind::kIndex, call.op, values, " at flat index ", report.index, " is ", report.value, ", wanted ",
       report.low, " <= value < ", report.high);
}

void set_long_call_hooks(LongCallHooks value) { hooks = value; }
void set_site_hooks(SiteHooks value) { sites = value; }
std::string text_of_site(int32_t site) { return sites.text && site >= 0 ? sites.text(site) : std::string(); }

void refuse_recording(const char* op, const char* why) {
  if (!Stream::current().recording()) [[likely]]
    return;
  const std::string where = text_of_site(sites.here ? sites.here() : -1);
  fail(ErrorKind::kRuntime, op, "cannot be recorded by compile: ", why, where);
}

Stream& Stream::current() { return thread_stream; }

void Stream::submit(const Call& call) {
  for (size_t i = 0; i < call.access_count; ++i) {
    MO_CHECK_KIND(ErrorKind::kRuntime, !call.accesses[i].write || !call.accesses[i].storage->read_only,
                  call.op, "the output is read-only memory");
  }
  ++calls_;
  const Device device = call.access_count ? call.accesses[0].storage->device : Device{};
  if (device.type != DeviceType::kCPU) return submit_on(call, device);
  Owner owner;
  const double cost = estimated_microseconds(call);
  {
    LongCall guard(cost > kLongMicroseconds);
    FlushSubnormals flush;
    execute(call, cost > kParallelMicroseconds ? num_threads() : 1, &owner);
  }
  if (program_) program_->append(call);
  if (owner.report.seen) [[unlikely]]
    raise_value_report(call, owner.report);
}

void Stream::submit_on(const Call& call, Device device) {
  MO_CHECK_KIND(ErrorKind::kRuntime, !program_, call.op, "cannot be recorded by compile: it runs on ",
                to_string(device));
  run_on_device(call, device);
  for (size_t i = 0; i < call.access_count; ++i) {
    if (call.accesses[i].write) call.accesses[i].storage->version.fetch_add(1, std::memory_order_relaxed);
  }
}

void Stream::begin_recording(std::shared_ptr<Program> program) {
  MO_CHECK_KIND(ErrorKind::kRuntime, !program_, "record", "this thread is recording already");
  MO_CHECK_KIND(ErrorKind::kRuntime, !program->open_.exchange(true), "record",
                "another thread is recording this program");
  scope_ = std::make_unique<PoolScope>(program->pool());
  program_ = std::move(program);
  program_->first_serial_ = next_serial();
}

void Stream::end_recording() {
  if (pauses_ > 0) {
    program_ = std::move(paused_);
    pauses_ = 0;
  }
  if (!program_) return;
  scope_.reset();
  program_->open_.store(false);
  program_.reset();
}

bool Stream::pause_recording() {
  if (pauses_ == 0) {
    if (!program_) return false;
    paused_ = std::move(program_);
    program_ = nullptr;
    scope_.reset();
  }
  ++pauses_;
  return true;
}

void Stream::resume_recording() {
  if (pauses_ == 0 || --pauses_ > 0) return;
  program_ = std::move(paused_);
  scope_ = std::make_unique<PoolScope>(program_->pool());
}

Program::Program() : pool_(Pool::make_private()) {}
Program::Program(Pool* shared) : pool_(shared) { pool_->share(); }
Program::~Program() {
  calls_.clear();
  storages_.clear();
  pool_->drop();
}

void Program::append(const Call& call) {
  const size_t access_bytes = call.access_count * sizeof(Access);
  const size_t args_at = (access_bytes + 63) / 64 * 64;
  memory_.push_back(std::make_unique<std::byte[]>(args_at + call.arg_bytes));
  std::byte* memory = memory_.back().get();
  if (access_bytes) std::memcpy(memory, call.accesses, access_bytes);
  std::memcpy(memory + args_at, call.args, call.arg_bytes);
  calls_.push_back(call);
  calls_.back().site = sites.here ? sites.here() : -1;
  calls_.back().accesses = reinterpret_cast<const Access*>(memory);
  calls_.back().args = memory + args_at;
  scratch_bytes_ = std::max(scratch_bytes_, call.scratch_bytes);
  threads_ = std::min(threads_, num_threads());
  for (size_t i = 0; i < call.access_count; ++i) {
    // A block of the program's own pool stays where it is when it is freed, and later calls reuse it.
    if (call.accesses[i].storage->reused_by() != pool_) storages_.emplace_back(call.accesses[i].storage);
  }
}

void Program::forget(uint64_t serial) {
  std::erase_if(storages_, [&](const StorageRef& storage) { return storage->serial == serial; });
}

void Program::replay() const {
  MO_CHECK_KIND(ErrorKind::kRuntime, !open_.load(), "replay", "the program is still being recorded");
  const Call* first_bad = nullptr;
  ValueReport first_report;
  {
    LongCall guard(true);
    const std::lock_guard lock(replaying_);  // after the GIL is released, so that waiting blocks nobody
    FlushSubnormals flush;
    thread_scratch("replay", scratch_bytes_);
    for (const Call& call : calls_) {
      Owner owner;
      execute(call,
              estimated_microseconds(call) > kParallelMicroseconds ? std::min(num_threads(), threads_) : 1,
              &owner);
      if (owner.report.seen && !first_bad) {
        first_bad = &call;
        first_report = owner.report;
      }
    }
  }
  if (first_bad) raise_value_report(*first_bad, first_report);
}

}  // namespace markone
