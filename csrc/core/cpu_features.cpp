#include "core/cpu_features.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace markone {
namespace {

constexpr const char* kNames[] = {"ref", "baseline", "avx2", "avx512", "neon"};

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
Registers cpuid(unsigned leaf, unsigned sub = 0) {
  Registers r;
  __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
  return r;
}
bool bit(unsigned value, int index) { return value >> index & 1; }

// The operating system must save the wide registers too: XCR0 says which it does.
uint64_t saved_register_state() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

bool has_avx2() {
  const Registers one = cpuid(1), seven = cpuid(7);
  const bool os_uses_xsave = bit(one.c, 27);
  if (!os_uses_xsave || (saved_register_state() & 0x6) != 0x6) return false;
  return bit(one.c, 28) && bit(one.c, 12) && bit(one.c, 29) && bit(seven.b, 5);  // AVX, FMA, F16C, AVX2
}
bool has_avx512() {
  if (!has_avx2() || (saved_register_state() & 0xe6) != 0xe6) return false;
  const Registers seven = cpuid(7);
  return bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);  // F, DQ, BW, VL
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> found = {Isa::kRef, Isa::kBaseline};
#if defined(MARKONE_EMULATE_AVX512)
  found = {Isa::kRef, Isa::kBaseline, Isa::kAvx2, Isa::kAvx512};
#elif defined(__x86_64__)
  if (has_avx2()) found.push_back(Isa::kAvx2);
  if (has_avx512()) found.push_back(Isa::kAvx512);
#elif defined(__aarch64__)
  found.push_back(Isa::kNeon);
#endif
  return found;
}

Isa parse(const std::string& name, const char* origin) {
  std::string names;
  for (Isa isa : available_isas()) {
    if (name == name_of(isa)) return isa;
    names += std::string(names.empty() ? "" : ", ") + name_of(isa);
  }
  for (const char* known : kNames) {
    MO_CHECK(name != known, origin, "this machine cannot run '", name, "', it has ", names);
  }
  fail(ErrorKind::kValue, origin, "'", name, "' is not an instruction set, this machine has ", names);
}

std::atomic<int> active{-1};

}  // namespace

const char* name_of(Isa isa) { return kNames[static_cast<int>(isa)]; }

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> found = detect();
  return found;
}

Isa active_isa() {
  int isa = active.load(std::memory_order_relaxed);
  if (isa < 0) [[unlikely]] {
    const char* forced = std::getenv("MARKONE_ISA");
    isa = static_cast<int>(forced && *forced ? parse(forced, "MARKONE_ISA") : available_isas().back());
    active.store(isa, std::memory_order_relaxed);
  }
  return static_cast<Isa>(isa);
}

void set_active_isa(const std::string& name) { active.store(static_cast<int>(parse(name, "set_isa"))); }

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return has_avx512() && bit(cpuid(7, 1).a, 5);
#else
  return false;
#endif
}

std::string cpu_name() {
#if defined(__x86_64__)
  char text[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  std::string name = text;
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return name.empty() ? "x86-64" : name;
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "unknown";
#endif
}

}  // namespace markone
