#include "ops/random.h"

#include <cmath>
#include <mutex>
#include <random>

#include "contract/random.h"
#include "core/cuda.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

// What an element costs, only to tell short calls from long ones.
constexpr double kWordFlops = 20, kNormalFlops = 60;

// Half types are made in float32 and rounded.
DType computed_in(DType t) { return t == kF64 ? kF64 : kF32; }

void check_floating(const char* op, DType dtype) {
  MO_CHECK_TYPE(is_floating(dtype), op, "got dtype ", name_of(dtype), ", wanted a floating type");
}

// The largest number of the type below `high`, so that rounding can never reach the open end.
double before(double high, DType dtype) {
  if (dtype == kF64) return std::nextafter(high, -HUGE_VAL);
  const float rounded = static_cast<float>(high);
  float last = rounded < high ? rounded : std::nextafterf(rounded, -HUGE_VALF);
  if (!is_half(dtype)) return last;
  // Down to the half type's grid: as many low bits of the fraction are zero as the type lacks.
  const int kept = dtype == kBF16 ? 8 : 11;
  int exponent = 0;
  std::frexp(last, &exponent);
  exponent = std::max(exponent, dtype == kF16 ? -13 : -125);  // subnormals have a fixed grid
  const double grid = std::ldexp(1.0, exponent - kept);
  return std::floor(last / grid) * grid;
}

// Runs `make(contiguous array of the computed type)` and puts the result where `out` is.
template <class Make>
void into(const char* op, const Array& out, DType dtype, Make make) {
  if (out.numel() == 0) return;
  const bool direct = out.dtype() == dtype && out.is_contiguous();
  const Array buffer = direct ? out : Array::empty(op, out.shape(), dtype, out.device());
  make(buffer);
  if (!direct) copy_into(op, out, buffer);
}

template <class Args>
void draw_into(Launch<Args>& call, const Array& out, const Generator& generator) {
  call.args.n = out.numel();
  call.write(&Args::state, generator.state());
  call.write(&Args::out, out);
}

uint64_t system_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

double dropout_scale(double p) { return p < 1 ? 1 / (1 - p) : 0; }
void check_dropout(const char* op, double p) {
  MO_CHECK(p >= 0 && p <= 1, op, "got p=", p, ", wanted 0 <= p <= 1");
}

}  // namespace

Generator::Generator(uint64_t seed, Device device) {
  const PoolScope scope(nullptr);  // it outlives a recording that it is made in
  state_ = Array::empty("Generator", {2}, kI64, device);
  write(seed, 0);
}

void Generator::write(uint64_t seed, uint64_t next) const {
  if (device().type != DeviceType::kCPU) {
    const int64_t pair[2] = {static_cast<int64_t>(seed), static_cast<int64_t>(next)};
    copy_bytes("Generator", state_.data(), device(), pair, {}, sizeof pair);
  } else {
    auto* state = state_.as<int64_t>();
    __atomic_store_n(&state[0], static_cast<int64_t>(seed), __ATOMIC_RELAXED);
    __atomic_store_n(&state[1], static_cast<int64_t>(next), __ATOMIC_RELAXED);
  }
  state_.storage()->version.fetch_add(1, std::memory_order_relaxed);
}

void Generator::manual_seed(uint64_t seed) const {
  refuse_recording("manual_seed", "a replay would not seed the generator again");
  write(seed, 0);
}
int64_t Generator::read(int place) const {
  const int64_t* from = state_.as<int64_t>() + place;
  if (device().type == DeviceType::kCPU) return __atomic_load_n(from, __ATOMIC_RELAXED);
  int64_t value;
  copy_bytes("Generator", &value, {}, from, device(), sizeof value);
  return value;
}

uint64_t Generator::initial_seed() const { return static_cast<uint64_t>(read(0)); }
uint64_t Generator::seed() const {
  refuse_recording("seed", "a replay would not seed the generator again");
  const uint64_t fresh = system_seed();
  write(fresh, 0);
  return fresh;
}

void Generator::set_state(const Array& state) const {
  refuse_recording("set_state", "a replay would not set the state again");
  MO_CHECK_TYPE(state.dtype() == kI64, "set_state", "got dtype ", name_of(state.dtype()), ", wanted int64");
  MO_CHECK(state.shape() == Dims({2}), "set_state", "got shape ", state.shape(), ", wanted [2]");
  const Array pair = to_device("set_state", contiguous("set_state", state), {});
  write(static_cast<uint64_t>(pair.as<int64_t>()[0]), static_cast<uint64_t>(pair.as<int64_t>()[1]));
}

const Generator& default_generator(Device device) {
  static const auto* generator = new Generator(system_seed());
  if (device.type == DeviceType::kCPU) return *generator;
  static std::mutex mutex;
  static const Generator* on_device[kMaxCudaDevices];
  const std::lock_guard lock(mutex);
  const Generator*& found = on_device[device.index];
  if (!found) found = new Generator(generator->initial_seed(), device);
  return *found;
}

Array random_bits(int64_t n, const Generator& generator) {
  const Array out = Array::empty("random_bits", {n}, kI32, generator.device());
  if (n == 0) return out;
  Launch<RandomBitsArgs> call("random_bits", kernel_for("random_bits", table_for(out).random_bits, kI32));
  draw_into(call, out, generator);
  call.submit(kWordFlops * static_cast<double>(n));
  return out;
}

void uniform_into(const Array& out, double low, double high, const Generator& generator) {
  check_floating("uniform", out.dtype());
  MO_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high && std::isfinite(high - low), "uniform",
           "got low=", low, " and high=", high, ", wanted finite numbers, low <= high");
  const DType dtype = computed_in(out.dtype());
  into("uniform", out, dtype, [&](const Array& buffer) {
    Launch<UniformArgs> call("uniform", kernel_for("uniform", table_for(buffer).uniform[dtype], dtype));
    call.args.low = low;
    call.args.scale = high - low;
    call.args.highest = std::max(low, before(high, out.dtype()));
    draw_into(call, buffer, generator);
    call.submit(kWordFlops * static_cast<double>(buffer.numel()));
  });
}

Array uniform(const Dims& shape, DType dtype, double low, double high, const Generator& generator) {
  check_floating("uniform", dtype);
  const Array out = Array::empty("uniform", shape, dtype, generator.device());
  uniform_into(out, low, high, generator);
  return out;
}

void normal_into(const Array& out, double mean, double std, const Generator& generator) {
  check_floating("normal", out.dtype());
  MO_CHECK(std >= 0, "normal", "got std=", std, ", wanted std >= 0");
  const DType dtype = computed_in(out.dtype());
  into("normal", out, dtype, [&](const Array& buffer) {
    Launch<NormalArgs> call("normal", kernel_for("normal", table_for(buffer).normal[dtype], dtype));
    call.args.mean = mean;
    call.args.std = std;
    draw_into(call, buffer, generator);
    call.submit(kNormalFlops * static_cast<double>(buffer.numel()));
  });
}

Array normal(const Dims& shape, DType dtype, double mean, double std, const Generator& generator) {
  check_floating("normal", dtype);
  const Array out = Array::empty("normal", shape, dtype, generator.device());
  normal_into(out, mean, std, generator);
  return out;
}

Array randint(const Dims& shape, int64_t low, int64_t high, DType dtype, const Generator& generator) {
  MO_CHECK(low < high, "randint", "got low=", low, " and high=", high, ", wanted low < high");
  struct Range {
    int64_t first, last;
  };
  // What each type holds exactly.
  constexpr Range kRanges[kDTypeCount] = {{-(1 << 24), 1 << 24},
                                          {-(int64_t{1} << 53), int64_t{1} << 53},
                                          {-256, 256},
                                          {-2048, 2048},
                                          {INT64_MIN, INT64_MAX},
                                          {INT32_MIN, INT32_MAX},
                                          {0, 255},
                                          {0, 1}};
  MO_CHECK(low >= kRanges[dtype].first && high - 1 <= kRanges[dtype].last, "randint", "[", low, ", ", high,
           ") does not fit in ", name_of(dtype), ", which holds ", kRanges[dtype].first, " to ",
           kRanges[dtype].last);
  const Array out = Array::empty("randint", shape, dtype, generator.device());
  into("randint", out, kI64, [&](const Array& buffer) {
    Launch<RandintArgs> call("randint", kernel_for("randint", table_for(buffer).randint, kI64));
    call.args.low = low;
    call.args.range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    draw_into(call, buffer, generator);
    call.submit(2 * kWordFlops * static_cast<double>(buffer.numel()));
  });
  return out;
}

Array randperm(int64_t n, const Generator& generator) {
  MO_CHECK(n >= 0, "randperm", "got n=", n, ", wanted n >= 0");
  const Array out = Array::empty("randperm", {n}, kI64, generator.device());
  if (n == 0) return out;
  Launch<RandpermArgs> call("randperm", kernel_for("randperm", table_for(out).randperm, kI64));
  draw_into(call, out, generator);
  call.submit(2 * kWordFlops * static_cast<double>(n));
  return out;
}

Array bernoulli(const Array& p, const Generator& generator) {
  check_floating("bernoulli", p.dtype());
  const Array out = Array::empty("bernoulli", p.shape(), kBool, p.device());
  if (p.numel() == 0) return cast("bernoulli", out, p.dtype());
  const Array chances = prepared("bernoulli", p, kF32);
  Launch<BernoulliArgs> call("bernoulli", kernel_for("bernoulli", table_for(out).bernoulli, kF32));
  call.read(&BernoulliArgs::p, chances);
  call.values("p in millionths");
  draw_into(call, out, generator);
  call.submit(kWordFlops * static_cast<double>(out.numel()));
  return cast("bernoulli", out, p.dtype());
}

std::pair<Array, Array> dropout(const Array& x, double p, const Generator& generator) {
  check_floating("dropout", x.dtype());
  check_dropout("dropout", p);
  const DType dtype = computed_in(x.dtype());
  const Array y = Array::empty("dropout", x.shape(), dtype, x.device());
  const Array mask = Array::empty("dropout", x.shape(), kBool, x.device());
  if (x.numel() > 0) {
    const Array input = prepared("dropout", x, dtype);
    Launch<DropoutArgs> call("dropout", kernel_for("dropout", table_for(x).dropout[dtype], dtype));
    call.args.n = x.numel();
    call.args.threshold = static_cast<uint32_t>(std::lround(std::ldexp(p, 24)));
    call.args.scale = dropout_scale(p);
    call.write(&DropoutArgs::state, generator.state());
    call.write(&DropoutArgs::y, y);
    call.write(&DropoutArgs::mask, mask);
    call.read(&DropoutArgs::x, input);
    call.submit(kWordFlops * static_cast<double>(x.numel()));
  }
  return {cast("dropout", y, x.dtype()), mask};
}

Array dropout_grad(const Array& g, const Array& mask, double p) {
  check_floating("dropout_grad", g.dtype());
  check_dropout("dropout_grad", p);
  MO_CHECK_TYPE(mask.dtype() == kBool, "dropout_grad", "the mask must be bool, got ", name_of(mask.dtype()));
  MO_CHECK(mask.shape() == g.shape(), "dropout_grad", "the gradient has shape ", g.shape(), ", the mask ",
           mask.shape());
  const DType dtype = computed_in(g.dtype());
  const Array dx = Array::empty("dropout_grad", g.shape(), dtype, g.device());
  if (g.numel() > 0) {
    const Array gradient = prepared("dropout_grad", g, dtype), kept = contiguous("dropout_grad", mask);
    Launch<DropoutGradArgs> call("dropout_grad",
                                 kernel_for("dropout_grad", table_for(g).dropout_grad[dtype], dtype));
    call.args.n = g.numel();
    call.args.scale = dropout_scale(p);
    call.write(&DropoutGradArgs::dx, dx);
    call.read(&DropoutGradArgs::g, gradient);
    call.read(&DropoutGradArgs::mask, kept);
    call.submit(static_cast<double>(g.numel()));
  }
  return cast("dropout_grad", dx, g.dtype());
}

}  // namespace markone
