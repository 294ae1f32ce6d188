// Where an array's memory is.
#pragma once
#include <cstdint>
#include <string>

namespace markone {

enum class DeviceType : int32_t { kCPU, kCUDA };

struct Device {
  DeviceType type = DeviceType::kCPU;
  int32_t index = 0;
  bool operator==(const Device&) const = default;
};

// More are not used.
inline constexpr int kMaxCudaDevices = 16;

inline std::string to_string(Device d) {
  return d.type == DeviceType::kCPU ? "cpu" : "cuda:" + std::to_string(d.index);
}

}  // namespace markone
