// The DLPack exchange structs, as the specification lays them out (https://dmlc.github.io/dlpack/latest/).
#pragma once
#include <cstdint>

namespace markone::bind {

struct DLPackVersion {
  uint32_t major, minor;
};
inline constexpr DLPackVersion kDLPackVersion = {1, 1};
inline constexpr int32_t kDLCPU = 1;
inline constexpr uint64_t kDLReadOnly = 1, kDLIsCopied = 2;
enum DLTypeCode : uint8_t { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6 };

struct DLDevice {
  int32_t type, index;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null where contiguous
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

}  // namespace markone::bind
