// One element at a time, for the reference and for the integer kernels of every instruction set: integers
// that wrap, the two 16-bit floats, and casts that no value can make undefined.
#pragma once
#include <stdint.h>

namespace markone::MARKONE_ISA {
namespace {

#ifndef MO_SCALAR  // CUDA's are for the device too
#define MO_SCALAR inline __attribute__((always_inline))
#endif

struct BF16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
// A bool array may come from outside with other bytes than 0 and 1.
struct Bool {
  uint8_t byte;
};

// 64-bit two's complement without undefined overflow. All integer types compute in it; the narrower ones keep
// its low bits.
struct Int {
  int64_t v;
  Int() = default;
  MO_SCALAR Int(int64_t x) : v(x) {}
  MO_SCALAR Int(int x) : v(x) {}
  MO_SCALAR Int(double x) : v(static_cast<int64_t>(x)) {}  // the formulas' own small constants
};
MO_SCALAR Int wrapped(uint64_t x) { return static_cast<int64_t>(x); }
MO_SCALAR uint64_t raw(Int x) { return static_cast<uint64_t>(x.v); }
MO_SCALAR Int operator+(Int a, Int b) { return wrapped(raw(a) + raw(b)); }
MO_SCALAR Int operator-(Int a, Int b) { return wrapped(raw(a) - raw(b)); }
MO_SCALAR Int operator*(Int a, Int b) { return wrapped(raw(a) * raw(b)); }
MO_SCALAR Int operator-(Int a) { return wrapped(-raw(a)); }
MO_SCALAR Int operator&(Int a, Int b) { return a.v & b.v; }
MO_SCALAR Int operator|(Int a, Int b) { return a.v | b.v; }
MO_SCALAR Int operator^(Int a, Int b) { return a.v ^ b.v; }
MO_SCALAR Int operator~(Int a) { return ~a.v; }
MO_SCALAR bool operator<(Int a, Int b) { return a.v < b.v; }
MO_SCALAR bool operator<=(Int a, Int b) { return a.v <= b.v; }
MO_SCALAR bool operator>(Int a, Int b) { return a.v > b.v; }
MO_SCALAR bool operator>=(Int a, Int b) { return a.v >= b.v; }
MO_SCALAR bool operator==(Int a, Int b) { return a.v == b.v; }
MO_SCALAR bool operator!=(Int a, Int b) { return a.v != b.v; }
MO_SCALAR Int where(bool c, Int a, Int b) { return c ? a : b; }
MO_SCALAR Int abs(Int a) { return a.v < 0 ? -a : a; }
MO_SCALAR Int sign(Int a) { return static_cast<int64_t>(a.v > 0) - static_cast<int64_t>(a.v < 0); }
MO_SCALAR Int floor(Int a) { return a; }
MO_SCALAR Int ceil(Int a) { return a; }
MO_SCALAR Int round(Int a) { return a; }
MO_SCALAR Int trunc(Int a) { return a; }

// Division rounds down, its remainder has the divisor's sign; fmod's has the dividend's. A divisor of zero
// gives zero here and is reported by the kernel; -1 is apart because INT64_MIN / -1 traps.
MO_SCALAR Int fmod(Int a, Int b) { return b.v == 0 || b.v == -1 ? Int(0) : Int(a.v % b.v); }
MO_SCALAR Int remainder(Int a, Int b) {
  const Int r = fmod(a, b);
  return r.v != 0 && ((r.v < 0) != (b.v < 0)) ? r + b : r;
}
MO_SCALAR Int floor_divide(Int a, Int b) {
  if (b.v == 0) return 0;
  if (b.v == -1) return -a;
  const int64_t q = a.v / b.v;
  return a.v % b.v != 0 && ((a.v < 0) != (b.v < 0)) ? Int(q - 1) : Int(q);
}
// A negative exponent leaves 1 and -1, and 0 of everything else.
MO_SCALAR Int pow(Int a, Int b) {
  if (b.v < 0) return a.v == 1 ? Int(1) : a.v == -1 ? Int(b.v % 2 != 0 ? -1 : 1) : Int(0);
  Int out = 1;
  for (uint64_t n = raw(b); n; n >>= 1) {
    if (n & 1) out = out * a;
    a = a * a;
  }
  return out;
}

// Casts. A floating value that int64 cannot hold becomes INT64_MIN; narrower integers keep the low bits.
MO_SCALAR float to_float(BF16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}
MO_SCALAR BF16 to_bf16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;  // to even
  const uint32_t nan = (bits >> 16) | 0x40u;
  return {static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded)};
}
#if defined(__F16C__)
MO_SCALAR float to_float(F16 x) {
  return __builtin_ia32_vcvtph2ps((short __attribute__((vector_size(16)))){static_cast<short>(x.bits)})[0];
}
#else
MO_SCALAR float to_float(F16 x) {
  // The bits of a half, moved to a float's place and scaled by 2^112. Subnormals are made by integer
  // arithmetic, because the kernels' mode flushes them.
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t body = x.bits & 0x7fffu;
  uint32_t bits;
  if (body >= 0x7c00u) {
    bits = 0x7f800000u | ((body & 0x3ffu) << 13) | (body > 0x7c00u ? 0x400000u : 0u);
  } else if (body >= 0x400u) {
    bits = (body << 13) + (112u << 23);
  } else {
    const float value = static_cast<float>(body) * 0x1p-24f;
    __builtin_memcpy(&bits, &value, 4);
  }
  bits |= sign;
  float out;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}
#endif
MO_SCALAR F16 to_f16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u, body = bits & 0x7fffffffu;
  uint32_t out;
  if (body > 0x7f800000u) {
    out = 0x7e00u | ((body >> 13) & 0x3ffu);
  } else if (body >= 0x477ff000u) {  // rounds past 65504
    out = 0x7c00u;
  } else if (body >= 0x38800000u) {
    out = (body - (112u << 23) + 0xfffu + ((body >> 13) & 1u)) >> 13;
  } else {
    // Adding 0.5 leaves the subnormal half, rounded to even, in the low bits.
    float value;
    __builtin_memcpy(&value, &body, 4);
    value += 0.5f;
    __builtin_memcpy(&out, &value, 4);
    out -= 0x3f000000u;
  }
  return {static_cast<uint16_t>(out | sign)};
}
MO_SCALAR int64_t to_int(double x) {
  return x >= -0x1p63 && x < 0x1p63 ? static_cast<int64_t>(x) : INT64_MIN;
}

// Anything from one of the storage-only types goes through its value; anything to one through float or int64.
template <class From>
struct Widen {
  static MO_SCALAR From of(From x) { return x; }
};
template <>
struct Widen<BF16> {
  static MO_SCALAR float of(BF16 x) { return to_float(x); }
};
template <>
struct Widen<F16> {
  static MO_SCALAR float of(F16 x) { return to_float(x); }
};
template <>
struct Widen<Bool> {
  static MO_SCALAR int32_t of(Bool x) { return x.byte != 0; }
};

template <class To>
struct Narrow {
  template <class From>
  static MO_SCALAR To of(From x) {
    return static_cast<To>(x);
  }
  static MO_SCALAR To of(float x) { return of_real(x); }
  static MO_SCALAR To of(double x) { return of_real(x); }

 private:
  static MO_SCALAR To of_real(double x) {
    if constexpr (static_cast<To>(0.5) == 0) {
      return static_cast<To>(to_int(x));
    } else {
      return static_cast<To>(x);
    }
  }
};
template <>
struct Narrow<BF16> {
  template <class From>
  static MO_SCALAR BF16 of(From x) {
    return to_bf16(static_cast<float>(x));
  }
};
template <>
struct Narrow<F16> {
  template <class From>
  static MO_SCALAR F16 of(From x) {
    return to_f16(static_cast<float>(x));
  }
};
template <>
struct Narrow<Bool> {
  template <class From>
  static MO_SCALAR Bool of(From x) {
    return {x != 0};
  }
};
template <class To, class From>
MO_SCALAR To cast_one(From x) {
  return Narrow<To>::of(Widen<From>::of(x));
}

template <int kType>
struct TypeOf;
#define MO_TYPE_OF(tag, T) \
  template <>              \
  struct TypeOf<tag> {     \
    using type = T;        \
  };
MO_TYPE_OF(0, float)
MO_TYPE_OF(1, double)
MO_TYPE_OF(2, BF16)
MO_TYPE_OF(3, F16)
MO_TYPE_OF(4, int64_t)
MO_TYPE_OF(5, int32_t)
MO_TYPE_OF(6, uint8_t)
MO_TYPE_OF(7, Bool)
#undef MO_TYPE_OF

// An unsigned integer of the size of a type, for what only moves.
template <int kBytes>
struct BitsOf;
template <>
struct BitsOf<1> {
  using type = uint8_t;
};
template <>
struct BitsOf<2> {
  using type = uint16_t;
};
template <>
struct BitsOf<4> {
  using type = uint32_t;
};
template <>
struct BitsOf<8> {
  using type = uint64_t;
};

}  // namespace
}  // namespace markone::MARKONE_ISA
