// The library's one symbol: the devices, and what runs on them.
#include <cuda_runtime.h>
#include <string.h>

#include "contract/device.h"
#include "contract/table.h"

namespace markone::cuda {

void fill_conv(ConvKernels* table);
void fill_elementwise(ElementwiseKernels* table);
void fill_gemm(GemmKernels* table);
void fill_index(IndexKernels* table);
void fill_loss(LossKernels* table);
void fill_machine(MachineKernels* table);
void fill_norm(NormKernels* table);
void fill_optim(OptimKernels* table);
void fill_pool(PoolKernels* table);
void fill_random(RandomKernels* table);
void fill_recurrent(RecurrentKernels* table);
void fill_reduce(ReduceKernels* table);
void fill_scan(ScanKernels* table);
void fill_softmax(SoftmaxKernels* table);
void fill_sort(SortKernels* table);
void fill_vision(VisionKernels* table);

namespace {

void fill_table(KernelTable* table) {
  fill_conv(table);
  fill_elementwise(table);
  fill_gemm(table);
  fill_index(table);
  fill_loss(table);
  fill_machine(table);
  fill_norm(table);
  fill_optim(table);
  fill_pool(table);
  fill_random(table);
  fill_recurrent(table);
  fill_reduce(table);
  fill_scan(table);
  fill_softmax(table);
  fill_sort(table);
  fill_vision(table);
}

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

constexpr DeviceApi kApi = {
    kDeviceAbi,
    sizeof(KernelTable),
    [](int32_t error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); },
    [](int32_t* devices) -> int32_t {
      int count = 0;
      const cudaError_t error = cudaGetDeviceCount(&count);
      *devices = count;
      return error;
    },
    [](int32_t device, char* text, int64_t bytes) -> int32_t {
      cudaDeviceProp properties;
      const cudaError_t error = cudaGetDeviceProperties(&properties, device);
      if (error == cudaSuccess) strncpy(text, properties.name, static_cast<size_t>(bytes));
      return error;
    },
    [](int32_t device, int32_t* major, int32_t* minor, int32_t* multiprocessors) -> int32_t {
      cudaDeviceProp properties;
      const cudaError_t error = cudaGetDeviceProperties(&properties, device);
      if (error != cudaSuccess) return error;
      *major = properties.major;
      *minor = properties.minor;
      *multiprocessors = properties.multiProcessorCount;
      return error;
    },
    [](int32_t device, int64_t* free_bytes, int64_t* total_bytes) -> int32_t {
      size_t left = 0, total = 0;
      cudaError_t error = cudaSetDevice(device);
      if (error == cudaSuccess) error = cudaMemGetInfo(&left, &total);
      *free_bytes = static_cast<int64_t>(left);
      *total_bytes = static_cast<int64_t>(total);
      return error;
    },
    [](int32_t device) -> int32_t { return cudaSetDevice(device); },
    [](int64_t bytes, void** memory) -> int32_t {
      const cudaError_t error = cudaMalloc(memory, static_cast<size_t>(bytes));
      if (error != cudaSuccess) cudaGetLastError();  // it is answered here
      return error;
    },
    [](void* memory) -> int32_t { return cudaFree(memory); },
    [](int64_t bytes, void** memory) -> int32_t {
      return cudaMallocHost(memory, static_cast<size_t>(bytes));
    },
    [](void* memory) -> int32_t { return cudaFreeHost(memory); },
    [](void** stream) -> int32_t {
      cudaStream_t made;
      const cudaError_t error = cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
      *stream = made;
      return error;
    },
    [](void* stream) -> int32_t { return cudaStreamSynchronize(stream_of(stream)); },
    [](void* to, const void* from, int64_t bytes, CopyKind kind, void* stream) -> int32_t {
      constexpr cudaMemcpyKind kKinds[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
                                           cudaMemcpyDeviceToDevice};
      return cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kKinds[static_cast<int>(kind)],
                             stream_of(stream));
    },
    [](void* memory, int32_t byte, int64_t bytes, void* stream) -> int32_t {
      return cudaMemsetAsync(memory, byte, static_cast<size_t>(bytes), stream_of(stream));
    },
    []() -> int32_t { return cudaGetLastError(); },
    [](void** event) -> int32_t {
      cudaEvent_t made;
      const cudaError_t error = cudaEventCreate(&made);
      *event = made;
      return error;
    },
    [](void* event) -> int32_t { return cudaEventDestroy(static_cast<cudaEvent_t>(event)); },
    [](void* event, void* stream) -> int32_t {
      return cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(stream));
    },
    [](void* first, void* last, float* milliseconds) -> int32_t {
      const cudaError_t error = cudaEventSynchronize(static_cast<cudaEvent_t>(last));
      if (error != cudaSuccess) return error;
      return cudaEventElapsedTime(milliseconds, static_cast<cudaEvent_t>(first),
                                  static_cast<cudaEvent_t>(last));
    },
    [](void* stream) -> int32_t {
      return cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal);
    },
    [](void* stream, void** graph) -> int32_t {
      cudaGraph_t captured;
      cudaError_t error = cudaStreamEndCapture(stream_of(stream), &captured);
      if (error != cudaSuccess) return error;
      cudaGraphExec_t runnable;
      error = cudaGraphInstantiate(&runnable, captured, 0);
      cudaGraphDestroy(captured);
      *graph = runnable;
      return error;
    },
    [](void* graph, void* stream) -> int32_t {
      return cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream));
    },
    [](void* graph) -> int32_t { return cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); },
    fill_table,
};

}  // namespace
}  // namespace markone::cuda

extern "C" __attribute__((visibility("default"))) const markone::DeviceApi* markone_device_api() {
  return &markone::cuda::kApi;
}
