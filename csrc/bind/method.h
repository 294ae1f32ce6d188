// A member function as a function of a reference: pybind11 refuses None for it, where a bare member pointer
// would be called on null.
#pragma once
#include <utility>

namespace markone::bind {

template <class R, class C, class... A>
auto method(R (C::*function)(A...) const) {
  return [function](const C& self, A... args) -> R { return (self.*function)(std::forward<A>(args)...); };
}
template <class R, class C, class... A>
auto method(R (C::*function)(A...)) {
  return [function](C& self, A... args) -> R { return (self.*function)(std::forward<A>(args)...); };
}

}  // namespace markone::bind
