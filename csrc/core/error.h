// One exception type. A message starts with the operation and says what came and what was wanted.
#pragma once
#include <exception>
#include <sstream>
#include <string>

namespace markone {

enum class ErrorKind { kValue, kType, kIndex, kRuntime, kMemory, kNotImplemented, kBuffer };

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
  std::string message_;
};

template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const char* op, const Parts&... parts) {
  std::ostringstream text;
  text << op << ": ";
  (text << ... << parts);
  throw Error(kind, text.str());
}

}  // namespace markone

// The message parts are only put together when the condition fails.
#define MO_CHECK_KIND(kind, condition, op, ...) \
  do {                                          \
    if (!(condition)) [[unlikely]]              \
      ::markone::fail(kind, op, __VA_ARGS__);   \
  } while (0)
#define MO_CHECK(condition, op, ...) MO_CHECK_KIND(::markone::ErrorKind::kValue, condition, op, __VA_ARGS__)
#define MO_CHECK_TYPE(condition, op, ...) \
  MO_CHECK_KIND(::markone::ErrorKind::kType, condition, op, __VA_ARGS__)
#define MO_CHECK_INDEX(condition, op, ...) \
  MO_CHECK_KIND(::markone::ErrorKind::kIndex, condition, op, __VA_ARGS__)
