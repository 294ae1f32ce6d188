#include "core/cuda.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>

#include "core/stream.h"

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace markone {
namespace {

// Calls whose reports the host can still name; a call that reported longer ago waits no further.
constexpr size_t kRemembered = 1024;

struct DeviceState {
  std::mutex mutex;
  void* stream = nullptr;
  StorageRef report;  // a DeviceReport
  std::array<Call, kRemembered> calls;
  int64_t next_call = 0, checked = 0;
};

struct Library {
  const DeviceApi* api = nullptr;
  std::string missing;
  int devices = 0;
  std::array<DeviceState, kMaxCudaDevices> states;
};

int64_t table_bytes = 0;

std::string beside_this_module() {
#if defined(__unix__) || defined(__APPLE__)
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&cuda_device_count), &info) && info.dli_fname) {
    const std::string file = info.dli_fname;
    const size_t slash = file.rfind('/');
    return (slash == std::string::npos ? std::string() : file.substr(0, slash + 1)) + "libmarkone_cuda.so";
  }
#endif
  return "libmarkone_cuda.so";
}

// Never unloaded: what it allocated may outlive static destructors.
Library& library() {
  static Library* loaded = [] {
    auto* made = new Library;
#if defined(__unix__) || defined(__APPLE__)
    const char* named = std::getenv("MARKONE_CUDA_LIBRARY");
    const std::string file = named ? named : beside_this_module();
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      made->missing = "this build of markone has no CUDA library (" + std::string(dlerror()) + ")";
      return made;
    }
    const auto entry = reinterpret_cast<const DeviceApi* (*)()>(dlsym(handle, "markone_device_api"));
    const DeviceApi* api = entry ? entry() : nullptr;
    if (!api || api->abi != kDeviceAbi || api->table_bytes != device_table_bytes()) {
      made->missing = file + " belongs to another build of markone";
      return made;
    }
    int32_t devices = 0;
    const int32_t error = api->count(&devices);
    if (error || devices == 0) {
      made->missing =
          std::string("no CUDA device (") + (error ? api->error_text(error) : "the driver has none") + ")";
      return made;
    }
    made->devices = devices < kMaxCudaDevices ? devices : kMaxCudaDevices;
    made->api = api;
#else
    made->missing = "CUDA is not built for this system";
#endif
    return made;
  }();
  return *loaded;
}

DeviceState& state_of(Device device) { return library().states[static_cast<size_t>(device.index)]; }

// The stream and the report of a device, made by its first use.
DeviceState& started(const char* op, Device device) {
  DeviceState& state = state_of(device);
  if (state.stream) [[likely]]
    return state;
  const std::lock_guard lock(state.mutex);
  if (state.stream) return state;
  void* stream = nullptr;
  check_cuda(op, cuda_api()->make_stream(&stream));
  state.report = Pool::shared().allocate(op, sizeof(DeviceReport), device);
  check_cuda(op, cuda_api()->fill(state.report->data, 0, sizeof(DeviceReport), stream));
  state.stream = stream;
  return state;
}

bool can_report(const Call& call) { return call.values != nullptr; }

// Reads and clears the report. Called when the stream has been waited for.
void raise_reported(DeviceState& state) {
  Call call{};
  ValueReport found;
  {
    const std::lock_guard lock(state.mutex);
    if (state.checked == state.next_call) return;
    state.checked = state.next_call;
    DeviceReport report;
    const DeviceApi& api = *cuda_api();
    check_cuda("synchronize",
               api.copy(&report, state.report->data, sizeof report, CopyKind::kToHost, state.stream));
    check_cuda("synchronize", api.synchronize(state.stream));
    if (!report.seen) return;
    check_cuda("synchronize", api.fill(state.report->data, 0, sizeof report, state.stream));
    call = state.calls[static_cast<size_t>(report.call) % kRemembered];
    found = {true, report.index, report.value, report.low, report.high};
  }
  raise_value_report(call, found);
}

}  // namespace

void set_device_table_bytes(int64_t bytes) { table_bytes = bytes; }
int64_t device_table_bytes() { return table_bytes; }

const DeviceApi* cuda_api() { return library().api; }
const std::string& cuda_missing() { return library().missing; }
int cuda_device_count() { return library().devices; }

void check_device(const char* op, Device device) {
  if (device.type == DeviceType::kCPU) return;
  MO_CHECK_KIND(ErrorKind::kRuntime, cuda_api(), op, to_string(device), " was asked for, but ",
                cuda_missing());
  MO_CHECK_KIND(ErrorKind::kRuntime, device.index < cuda_device_count(), op, "there is no ",
                to_string(device), ", this machine has ", cuda_device_count(), " CUDA devices");
}

void check_cuda(const char* op, int32_t code) {
  MO_CHECK_KIND(ErrorKind::kRuntime, code == 0, op, "CUDA says: ", cuda_api()->error_text(code));
}

void use_device(const char* op, Device device) {
  thread_local int32_t current = -1;
  if (current == device.index) return;
  check_cuda(op, cuda_api()->use(device.index));
  current = device.index;
}

void* device_stream(Device device) {
  use_device("stream", device);
  return started("stream", device).stream;
}

void synchronize(Device device) {
  if (device.type == DeviceType::kCPU) return;
  check_device("synchronize", device);
  use_device("synchronize", device);
  DeviceState& state = started("synchronize", device);
  {
    const LongCall guard(true);
    check_cuda("synchronize", cuda_api()->synchronize(state.stream));
  }
  raise_reported(state);
}

void run_on_device(const Call& call, Device device) {
  use_device(call.op, device);
  DeviceState& state = started(call.op, device);
  const StorageRef scratch =
      call.scratch_bytes ? Pool::shared().allocate(call.op, call.scratch_bytes, device) : StorageRef();
  Run run{nullptr, nullptr, scratch ? scratch->data : nullptr, 1, nullptr, state.stream};
  if (can_report(call)) {
    const std::lock_guard lock(state.mutex);
    run.call = state.next_call++;
    run.device_report = static_cast<DeviceReport*>(state.report->data);
    Call& kept = state.calls[static_cast<size_t>(run.call) % kRemembered];
    kept = call;
    kept.args = nullptr;
    kept.accesses = nullptr;
  }
  call.kernel.invoke(call.kernel.function, call.args, &run);
  check_cuda(call.op, cuda_api()->last_error());
}

void copy_bytes(const char* op, void* to, Device to_device, const void* from, Device from_device,
                int64_t bytes) {
  const bool from_host = from_device.type == DeviceType::kCPU, to_host = to_device.type == DeviceType::kCPU;
  MO_CHECK_KIND(ErrorKind::kRuntime, from_host || to_host || from_device == to_device, op, "copies from ",
                to_string(from_device), " to ", to_string(to_device), " go through the cpu");
  const Device device = from_host ? to_device : from_device;
  use_device(op, device);
  DeviceState& state = started(op, device);
  const CopyKind kind = from_host ? CopyKind::kToDevice : to_host ? CopyKind::kToHost : CopyKind::kOnDevice;
  if (bytes > 0) check_cuda(op, cuda_api()->copy(to, from, bytes, kind, state.stream));
  // The host's memory may be reused by its own pool at once, and is read by whoever asked.
  if (from_host || to_host) synchronize(device);
}

}  // namespace markone
