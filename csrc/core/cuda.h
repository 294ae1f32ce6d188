// The CUDA devices of this process: the library that knows them, a stream for each, memory between them and
// the host.
#pragma once
#include <cstdint>
#include <string>

#include "contract/device.h"
#include "contract/run.h"
#include "core/device.h"

namespace markone {

struct Call;

// The library's table; null where there is none or no driver, of which cuda_missing() gives the reason. It is
// looked for once: the file that MARKONE_CUDA_LIBRARY names, else libmarkone_cuda beside this module.
const DeviceApi* cuda_api();
const std::string& cuda_missing();
int cuda_device_count();
// sizeof(KernelTable), which core does not see; ops says it.
void set_device_table_bytes(int64_t bytes);
int64_t device_table_bytes();

// Raises RuntimeError in the name of `op` where there is no such device.
void check_device(const char* op, Device device);
// Raises RuntimeError, or MemoryError for out-of-memory codes, where the code is an error.
void check_cuda(const char* op, int32_t code);

// Makes the device this thread's. Everything that runs on a device runs on its one stream, in the order in
// which it was submitted, whatever the thread: memory that is freed can be reused at once.
void use_device(const char* op, Device device);
void* device_stream(Device device);

// Waits for the device and raises what kernels have reported since the last time.
void synchronize(Device device);

// A kernel's call on a device: launches it, with its scratch, and remembers what it reports about.
void run_on_device(const Call& call, Device device);

// Bytes from one place to another, of which at least one is a device. Waits where the host's memory is read
// or written.
void copy_bytes(const char* op, void* to, Device to_device, const void* from, Device from_device,
                int64_t bytes);

}  // namespace markone
