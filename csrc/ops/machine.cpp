#include "ops/machine.h"

#include "contract/machine.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

// A measurement is a fraction of a second; more is a mistake.
constexpr int64_t kMostSteps = 1 << 20, kMostRepeats = 1 << 12;

}  // namespace

Array fma_chain(const Array& x_in, int64_t steps) {
  const char* op = "fma_chain";
  MO_CHECK(steps >= 0 && steps <= kMostSteps, op, "steps must be 0 to ", kMostSteps, ", got ", steps);
  const DType dtype = x_in.dtype();
  const Kernel kernel = kernel_for(op, table_for(x_in).fma_chain[dtype], dtype);
  const Array x = prepared(op, x_in, dtype), y = Array::empty(op, x.shape(), dtype, x.device());
  if (x.numel() == 0) return y;
  Launch<FmaChainArgs> call(op, kernel);
  call.args.n = x.numel();
  call.args.steps = steps;
  call.read(&FmaChainArgs::x, x);
  call.write(&FmaChainArgs::y, y);
  call.submit(2.0 * static_cast<double>(x.numel()) * static_cast<double>(steps));
  return y;
}

Array memory_stream(const std::vector<Array>& reads, const std::vector<Array>& writes, bool nontemporal,
                    int64_t repeats) {
  const char* op = "memory_stream";
  MO_CHECK(repeats >= 1 && repeats <= kMostRepeats, op, "repeats must be 1 to ", kMostRepeats, ", got ",
           repeats);
  MO_CHECK(reads.size() <= kStreamMost && writes.size() <= kStreamMost && reads.size() + writes.size() > 0,
           op, "wants 1 to ", kStreamMost, " arrays to read or write, got ", reads.size(), " and ",
           writes.size());
  const Array& first = (reads.empty() ? writes : reads)[0];
  const int64_t n = first.numel();
  const Device device = first.device();
  const auto check = [&](const Array& a) {
    MO_CHECK_TYPE(a.dtype() == kF32, op, "wants float32, got ", name_of(a.dtype()));
    MO_CHECK(a.is_contiguous() && a.numel() == n, op, "wants contiguous arrays of ", n,
             " elements, got shape ", a.shape());
  };
  for (const Array& a : reads) check(a);
  for (const Array& a : writes) check(a);
  const int64_t chunks = (n + kStreamChunk - 1) / kStreamChunk;
  const Array sums = Array::empty(op, {writes.empty() ? chunks : 0}, kF32, device);
  if (n == 0) return sums;
  const KernelTable& table = table_for(device);
  Launch<StreamArgs> call(op, kernel_for(op, table.stream, kF32));
  StreamArgs& args = call.args;
  args.n = n;
  args.reads = static_cast<int64_t>(reads.size());
  args.writes = static_cast<int64_t>(writes.size());
  args.repeats = repeats;
  args.nontemporal = nontemporal;
  for (size_t i = 0; i < reads.size(); ++i) {
    args.read[i] = static_cast<const float*>(reads[i].data());
    call.touch(&args.read[i], reads[i], false);
  }
  for (size_t i = 0; i < writes.size(); ++i) {
    args.write[i] = static_cast<float*>(writes[i].data());
    call.touch(&args.write[i], writes[i], true);
  }
  if (writes.empty()) call.write(&StreamArgs::sums, sums);
  call.submit(static_cast<double>(n) * static_cast<double>(repeats) * static_cast<double>(reads.size()));
  return sums;
}

}  // namespace markone
