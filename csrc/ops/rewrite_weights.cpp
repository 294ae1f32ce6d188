// Weights that a recording packs once for many products: once a step where it changes them, and where it does
// not, once for each of their values.
#include <algorithm>
#include <cstring>
#include <map>

#include "ops/packed.h"
#include "ops/recording.h"

namespace markone {

struct PackedOnce;
struct PackArgs {
  PackedOnce* pack;
};

struct PackedOnce {
  PackArgs self{this};
  Call call{};   // in profiles and lists
  Kernel inner;  // what packs, with these arguments
  std::unique_ptr<std::byte[]> args;
  Access access[1];
  StorageRef memory;
  // The step does not change them: they are packed when somebody else has.
  Storage* watched = nullptr;
  uint64_t version = 0;
  bool done = false;
};

namespace {

void run_pack(const PackArgs* args, const Run* run) {
  PackedOnce& pack = *args->pack;
  if (pack.watched) {
    const uint64_t version = pack.watched->version.load(std::memory_order_relaxed);
    const bool same = pack.done && pack.version == version;
    if (same && !pack.watched->exported.load(std::memory_order_relaxed)) return;
    pack.version = version;
    pack.done = true;
  }
  pack.inner.invoke(pack.inner.function, pack.args.get(), run);
}

const Access* weights_of(const Call& call) {
  for (size_t i = 0; call.prepack && i < call.access_count; ++i) {
    if (call.accesses[i].slot == call.prepack->weights) return &call.accesses[i];
  }
  return nullptr;
}

}  // namespace

void free_packed(PackedOnce* pack) { delete pack; }

std::vector<Recording::Product> Recording::products_of_weights(const std::vector<bool>& gone,
                                                               const std::vector<size_t>& stops) const {
  using Key = std::vector<int64_t>;
  std::vector<Product> found;
  std::map<Key, size_t> open;  // products whose weights nothing has changed since
  std::unordered_map<const Storage*, bool> written;
  const auto input_written = [&](const Access& access) {
    return access.write && !inside(access) && is_bound(access.serial);
  };
  bool any_input_written = false;
  for (size_t k = 0; k < program_->size(); ++k) {
    if (gone[k]) continue;
    if (std::find(stops.begin(), stops.end(), k) != stops.end()) open.clear();
    const Call& call = program_->call(k);
    const Access* weights = weights_of(call);
    const bool good = weights && !inside(*weights) && !is_bound(weights->serial) &&
                      !homes_.count(weights->serial) && !weights->storage->exported.load() &&
                      call.prepack->bytes(call.args) > 0;
    if (good) {
      int64_t shape[8] = {};
      call.prepack->key(call.args, shape);
      Key key(shape, shape + 8);
      key.push_back(static_cast<int64_t>(weights->serial));
      key.push_back(weights->delta);
      key.push_back(reinterpret_cast<int64_t>(call.prepack));
      const auto [at, fresh] = open.emplace(key, found.size());
      if (fresh) found.push_back({weights->storage, {}});
      found[at->second].calls.push_back(k);
    }
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (!access.write || inside(access)) continue;
      written[access.storage] = true;
      any_input_written |= input_written(access);
      // An argument may be the weights.
      if (input_written(access)) open.clear();
      std::erase_if(open, [&](const auto& entry) { return found[entry.second].weights == access.storage; });
    }
  }
  for (Product& product : found) product.changed = any_input_written || written.count(product.weights) > 0;
  // Weights that change are worth it where more than one product uses them.
  std::erase_if(found, [](const Product& product) { return product.changed && product.calls.size() < 2; });
  return found;
}

void Recording::pack_weights(const std::vector<bool>& gone, const std::vector<size_t>& stops) {
  for (const Product& product : products_of_weights(gone, stops)) {
    const Call& first = program_->call(product.calls[0]);
    const Prepack& prepack = *first.prepack;
    std::unique_ptr<PackedOnce, void (*)(PackedOnce*)> pack(new PackedOnce, free_packed);
    pack->memory = Pool::shared().allocate("compile", prepack.bytes(first.args));
    pack->args = std::make_unique<std::byte[]>(first.arg_bytes);
    std::memcpy(pack->args.get(), first.args, first.arg_bytes);
    std::memcpy(pack->args.get() + prepack.to, &pack->memory->data, sizeof(void*));
    pack->inner = prepack.pack(first.args);
    pack->access[0] = *weights_of(first);
    pack->call = first;
    pack->call.kernel = make_kernel<PackArgs>(pack->inner.name, run_pack);
    pack->call.plan = nullptr;
    pack->call.args = &pack->self;
    pack->call.accesses = pack->access;
    pack->call.access_count = 1;
    pack->call.flops = 0;
    pack->call.scratch_bytes = 0;
    if (!product.changed) pack->watched = product.weights;
    for (size_t k : product.calls) {
      const Call& call = program_->call(k);
      auto* args = static_cast<std::byte*>(const_cast<void*>(call.args));
      recorded_args_.emplace(&call, std::vector<std::byte>(args, args + call.arg_bytes));
      std::memcpy(args + prepack.weights, &pack->memory->data, sizeof(void*));
      Call other = call;
      other.kernel = prepack.use(args, &other.scratch_bytes);
      switched_.emplace(k, other);
    }
    rewrites_.push_back(std::string(product.changed ? "packed once a step" : "packed when they change") +
                        ": the weights of " + std::to_string(product.calls.size()) + " " + first.op +
                        text_of_site(first.site));
    packs_before_.emplace(product.calls[0], &pack->call);
    packs_.push_back(std::move(pack));
  }
}

void Recording::add_packs(size_t k) {
  const auto [begin, end] = packs_before_.equal_range(k);
  for (auto at = begin; at != end; ++at) add_runnable(*at->second);
}

}  // namespace markone
