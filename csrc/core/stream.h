// The one way to run a kernel. A call is data: which kernel, a copy of its arguments, what memory it touches.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "contract/run.h"
#include "core/array.h"
#include "core/error.h"

namespace markone {

struct Plan;  // ops/plan.h: the implementation that was chosen, and why the ones before it refused

// A kernel-table entry without its argument type, and a function that puts the type back.
struct Kernel {
  const char* name = nullptr;  // "gemm_f32_6x16_avx2"
  void (*function)() = nullptr;
  void (*invoke)(void (*function)(), const void* args, const Run* run) = nullptr;
};

template <class Args>
Kernel make_kernel(const char* name, KernelFn<Args> function) {
  static_assert(std::is_trivially_copyable_v<Args>, "a call keeps a plain copy of its arguments");
  return {name, reinterpret_cast<void (*)()>(function), [](void (*f)(), const void* args, const Run* run) {
            reinterpret_cast<KernelFn<Args>>(f)(static_cast<const Args*>(args), run);
          }};
}

// Memory that a call touches. `slot` is where in the argument struct the pointer stands, so that a recorded
// call can be pointed at other memory.
struct Access {
  Storage* storage;
  int64_t begin, bytes;  // in the storage
  int64_t delta;         // the pointer in the arguments is storage->data + delta
  uint32_t slot;
  bool write;
  uint64_t serial;  // of the storage, which may be another block's when it is read later
};

// What a recording may do with a call beyond running it as it is.
enum class CallForm : uint8_t {
  kOther,
  kElementwise,  // its arguments are ElementwiseArgs
  kCopy,         // CopyArgs
};

// How the weights of a kernel can be made ready once for many calls.
struct Prepack {
  uint32_t weights;                    // where in the arguments their pointer stands
  uint32_t to;                         // and where the pack kernel, given the same, writes them
  int64_t (*bytes)(const void* args);  // of what it writes; 0 where it would not pay
  Kernel (*pack)(const void* args);
  // Which weights it writes, whatever the input: everything that the packed form depends on but their values.
  void (*key)(const void* args, int64_t (&key)[8]);
  // For arguments whose weights are packed: the kernel to run and its scratch.
  Kernel (*use)(void* args, int64_t* scratch_bytes);
};

struct Call {
  const char* op;      // what the user called: "conv2d"; errors start with it
  const char* values;  // what a value error is about: "target"; null where the kernel cannot report
  Kernel kernel;
  const Plan* plan = nullptr;
  const void* args;
  size_t arg_bytes;
  const Access* accesses;
  size_t access_count;
  double flops = 0;
  int64_t scratch_bytes = 0;
  CallForm form = CallForm::kOther;
  const Prepack* prepack = nullptr;
  int32_t site = -1;  // where in the user's code, as the site hook numbers it; only in a recording
};

// Recorded calls, in order, and a reference to every storage they touch. Buffers that are made while it
// records come from a pool of its own, where what is freed is only reused inside the program.
class Program {
 public:
  Program();
  explicit Program(Pool* shared);  // its buffers come from a pool that other programs use too
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void append(const Call& call);
  void forget(uint64_t serial);  // gives up the reference to an outside storage; its calls go elsewhere
  // Runs every call in order, without the GIL. A value error is raised after the last one. One thread at a
  // time: a second one waits. Raises RuntimeError while the program is being recorded.
  void replay() const;
  size_t size() const { return calls_.size(); }
  const Call& call(size_t i) const { return calls_[i]; }
  const std::vector<Call>& calls() const { return calls_; }
  Pool* pool() const { return pool_; }
  int64_t scratch_bytes() const { return scratch_bytes_; }
  int threads() const { return threads_; }
  uint64_t first_serial() const { return first_serial_; }  // of what was made while it recorded

 private:
  friend class Stream;
  std::atomic<bool> open_{false};  // a thread is recording
  mutable std::mutex replaying_;
  std::vector<Call> calls_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;  // argument structs and access lists
  std::vector<StorageRef> storages_;
  int64_t scratch_bytes_ = 0;
  int threads_ = 256;  // the fewest of any recording: scratch is sized for that many
  Pool* pool_;
  uint64_t first_serial_ = 0;
};

// What is known after a call that reported a bad value.
struct ValueReport {
  bool seen = false;
  int64_t index = 0, value = 0, low = 0, high = 0;
};

// The error that a reported value becomes, in the operation's name.
[[noreturn]] void raise_value_report(const Call& call, const ValueReport& report);

// Rough: good enough to tell a microsecond from a millisecond, whether a second thread is worth waking, and
// whether the GIL is worth releasing.
double estimated_microseconds(const Call& call);
bool worth_threads(double microseconds);
bool worth_releasing(double microseconds);

// What a kernel is given, but for its scratch, threads, owner and report.
Run serial_run();

// This thread's scratch: one block, kept from call to call, as large as was ever wanted.
void* thread_scratch(const char* op, int64_t bytes);

// Runs the hooks of set_long_call_hooks around a long call, also when it throws.
class LongCall {
 public:
  explicit LongCall(bool is_long);
  ~LongCall();
  LongCall(const LongCall&) = delete;
  LongCall& operator=(const LongCall&) = delete;

 private:
  void* state_;
};

class Stream {
 public:
  static Stream& current();  // this thread's
  ~Stream() { end_recording(); }

  // Runs the call now; while this thread records, also appends it to the program. Raises IndexError where the
  // kernel reported a value.
  void submit(const Call& call);

  // Until end_recording() every call of this thread is appended to the program, and its buffers come from the
  // program's pool.
  void begin_recording(std::shared_ptr<Program> program);
  void end_recording();
  Program* recording() const { return program_.get(); }
  // In between nothing is recorded and buffers come from the shared pool: what is made there is no part of
  // the program. Says whether there was a recording to pause; they nest.
  bool paused() const { return pauses_ > 0; }
  bool pause_recording();
  void resume_recording();
  int64_t calls() const { return calls_; }  // how many this thread has submitted

 private:
  void submit_on(const Call& call, Device device);

  std::shared_ptr<Program> program_;
  std::unique_ptr<PoolScope> scope_;
  std::shared_ptr<Program> paused_;
  int pauses_ = 0;
  int64_t calls_ = 0;
};

// Around a call that is estimated to take longer than about 50 microseconds. The binding puts in functions
// that release the GIL and take it back; without them nothing happens.
struct LongCallHooks {
  void* (*enter)() = nullptr;
  void (*leave)(void* state) = nullptr;
};
void set_long_call_hooks(LongCallHooks hooks);

// Where the user's code is now, as a number, and that number as text (" (model.py:12)"). The binding puts in
// functions that read Python's frames; without them every site is -1 and its text empty.
struct SiteHooks {
  int32_t (*here)() = nullptr;
  std::string (*text)(int32_t site) = nullptr;
};
void set_site_hooks(SiteHooks hooks);
std::string text_of_site(int32_t site);

// Raises RuntimeError while this thread records: for what a replay could not do again.
void refuse_recording(const char* op, const char* why);

// Fills an argument struct and its access list together, so that neither can be forgotten:
//   Launch<GemmArgs> call("matmul", kernel);
//   call.read(&GemmArgs::a, x); call.write(&GemmArgs::c, y); call.args.m = m; call.submit(flops);
template <class Args, int kMaxAccesses = 12>
class Launch {
 public:
  Args args{};

  Launch(const char* op, Kernel kernel, const Plan* plan = nullptr) : op_(op), kernel_(kernel), plan_(plan) {}

  template <class T>
  void read(const T* Args::* field, const Array& array) {
    args.*field = static_cast<const T*>(array.data());
    add(&(args.*field), array, false);
  }
  template <class T>
  void write(T* Args::* field, const Array& array) {
    args.*field = static_cast<T*>(array.data());
    add(&(args.*field), array, true);
  }
  // For a pointer that is not a direct member: a list of pointers, for example.
  void touch(const void* pointer_field, const Array& array, bool write) { add(pointer_field, array, write); }

  void form(CallForm form) { form_ = form; }
  void prepack(const Prepack* prepack) { prepack_ = prepack; }
  // What a reported bad value is about, "target".
  void values(const char* what) { values_ = what; }

  void submit(double flops, int64_t scratch_bytes = 0) {
    Call call{op_,       values_, kernel_, plan_,         &args, sizeof(Args),
              accesses_, count_,  flops,   scratch_bytes, form_, prepack_};
    Stream::current().submit(call);
  }

 private:
  void add(const void* field, const Array& array, bool write) {
    int64_t first, last;
    array.byte_range(&first, &last);
    MO_CHECK_KIND(ErrorKind::kRuntime, count_ < kMaxAccesses, op_, "touches more than ", kMaxAccesses,
                  " arrays");
    MO_CHECK_KIND(ErrorKind::kRuntime, count_ == 0 || array.device() == accesses_[0].storage->device, op_,
                  "wants all its arrays on one device, got ", to_string(accesses_[0].storage->device),
                  " and ", to_string(array.device()));
    accesses_[count_++] = {
        array.storage().get(),
        first,
        last - first,
        array.offset() * size_of(array.dtype()),
        static_cast<uint32_t>(static_cast<const char*>(field) - reinterpret_cast<const char*>(&args)),
        write,
        array.storage()->serial};
  }

  const char* op_;
  const char* values_ = nullptr;
  CallForm form_ = CallForm::kOther;
  const Prepack* prepack_ = nullptr;
  Kernel kernel_;
  const Plan* plan_;
  Access accesses_[kMaxAccesses];
  size_t count_ = 0;
};

}  // namespace markone
