// Shapes and strides: a short fixed-capacity list of int64, and arithmetic on it that cannot overflow unseen.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/error.h"

namespace markone {

// Argument structs hold shapes by value, so the number of dimensions has a fixed bound.
inline constexpr int kMaxDims = 8;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) : Dims(values.begin(), static_cast<int>(values.size())) {}
  Dims(const int64_t* values, int count) : size_(count) {
    check_count(count);
    std::copy_n(values, count, values_);
  }
  static Dims filled(int count, int64_t value) {
    Dims dims;
    check_count(count);
    dims.size_ = count;
    std::fill_n(dims.values_, count, value);
    return dims;
  }
  static void check_count(int64_t count) {
    MO_CHECK(count <= kMaxDims, "shape", "got ", count, " dimensions, at most ", kMaxDims, " are supported");
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& back() { return values_[size_ - 1]; }
  int64_t back() const { return values_[size_ - 1]; }
  int64_t* begin() { return values_; }
  int64_t* end() { return values_ + size_; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }
  const int64_t* data() const { return values_; }

  void push_back(int64_t value) {
    check_count(size_ + 1);
    values_[size_++] = value;
  }
  void insert(int at, int64_t value) {
    push_back(value);
    std::rotate(values_ + at, values_ + size_ - 1, values_ + size_);
  }
  void erase(int at) {
    std::copy(values_ + at + 1, values_ + size_, values_ + at);
    --size_;
  }
  bool operator==(const Dims& other) const {
    return size_ == other.size_ && std::equal(begin(), end(), other.begin());
  }

 private:
  int size_ = 0;
  int64_t values_[kMaxDims] = {};
};

// "[8, 3, 32, 32]"
std::string to_string(const Dims& dims);
inline std::ostream& operator<<(std::ostream& out, const Dims& dims) { return out << to_string(dims); }

// The product of the sizes; raises ValueError in the name of `op` for a negative size or past int64.
int64_t checked_numel(const char* op, const Dims& shape);
int64_t checked_mul(const char* op, int64_t a, int64_t b);
int64_t checked_add(const char* op, int64_t a, int64_t b);

Dims contiguous_strides(const Dims& shape);
// NumPy's broadcasting of two shapes; raises ValueError with both shapes.
Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b);
// A dimension counted from the end becomes one from the front; raises IndexError outside [-n, n).
// A 0-d array takes 0 and -1, as in PyTorch.
int wrap_dim(const char* op, int64_t dim, int n);

}  // namespace markone
