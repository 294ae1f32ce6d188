// What a device library exports: one C table, so that the host needs no header of the device's toolkit and
// the library none of Python's. Both sides are built from the same headers; `abi` and `table_bytes` say so.
#pragma once
#include <cstdint>

namespace markone {

struct KernelTable;

// Changes with any struct that crosses the border.
enum : int32_t { kDeviceAbi = 1 };

// Where kernels leave the bad value that they met first: the smallest flat index of the earliest call.
struct DeviceReport {
  uint32_t lock;
  uint32_t seen;
  int64_t call;  // Run::call
  int64_t index, value, low, high;
};

enum class CopyKind : int32_t { kToDevice, kToHost, kOnDevice };

// Functions that can fail give 0, or a code of which error_text gives the words. Streams and events are
// opaque.
struct DeviceApi {
  int32_t abi;
  int64_t table_bytes;  // sizeof(KernelTable)
  const char* (*error_text)(int32_t error);

  int32_t (*count)(int32_t* devices);
  int32_t (*name)(int32_t device, char* text, int64_t bytes);
  int32_t (*capability)(int32_t device, int32_t* major, int32_t* minor, int32_t* multiprocessors);
  int32_t (*memory)(int32_t device, int64_t* free_bytes, int64_t* total_bytes);
  int32_t (*use)(int32_t device);  // this thread's device for what follows

  int32_t (*allocate)(int64_t bytes, void** memory);
  int32_t (*release)(void* memory);
  int32_t (*allocate_host)(int64_t bytes, void** memory);  // pinned
  int32_t (*release_host)(void* memory);

  int32_t (*make_stream)(void** stream);
  int32_t (*synchronize)(void* stream);
  // In the order of the stream. From and to pinned memory it returns at once.
  int32_t (*copy)(void* to, const void* from, int64_t bytes, CopyKind kind, void* stream);
  int32_t (*fill)(void* memory, int32_t byte, int64_t bytes, void* stream);
  int32_t (*last_error)();  // of the launches of this thread since it was last asked

  int32_t (*make_event)(void** event);
  int32_t (*drop_event)(void* event);
  int32_t (*record_event)(void* event, void* stream);
  int32_t (*elapsed)(void* first, void* last, float* milliseconds);  // waits for the last

  // Between begin and end the stream's work is kept, not run; `graph` runs it as often as it is launched.
  int32_t (*begin_capture)(void* stream);
  int32_t (*end_capture)(void* stream, void** graph);
  int32_t (*launch_graph)(void* graph, void* stream);
  int32_t (*drop_graph)(void* graph);

  void (*fill_table)(KernelTable* table);
};

}  // namespace markone

// The library's only exported symbol.
extern "C" const markone::DeviceApi* markone_device_api();
