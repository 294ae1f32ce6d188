#include "ops/packed.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace markone {
namespace {

// What is used least recently goes first beyond these.
constexpr size_t kMostStorages = 256;
constexpr int64_t kMostBytes = int64_t{512} << 20;

struct Kept {
  std::array<int64_t, 10> key;
  uint64_t version;
  Array packed;  // null after the first meeting
};
struct Weights {
  std::vector<Kept> kept;
  uint64_t used = 0;
};

struct Cache {
  std::mutex mutex;
  std::unordered_map<uint64_t, Weights> weights;  // by the serial of their storage
  int64_t bytes = 0;
  uint64_t clock = 0;
  bool on = true;
};

int64_t bytes_of(const Kept& kept) { return kept.packed ? kept.packed.storage()->bytes : 0; }

// Takes a storage's entries out; what they hold is freed when the lock is open again.
void take_out(Cache& cache, uint64_t serial, std::vector<Kept>* out) {
  const auto at = cache.weights.find(serial);
  if (at == cache.weights.end()) return;
  for (Kept& kept : at->second.kept) {
    cache.bytes -= bytes_of(kept);
    out->push_back(std::move(kept));
  }
  cache.weights.erase(at);
}

Cache& cache() {
  static Cache* made = [] {
    auto* fresh = new Cache;
    pthread_atfork([] { cache().mutex.lock(); }, [] { cache().mutex.unlock(); },
                   [] { cache().mutex.unlock(); });
    set_storage_watcher([](uint64_t serial) {
      std::vector<Kept> out;
      const std::lock_guard lock(cache().mutex);
      take_out(cache(), serial, &out);
    });
    return fresh;
  }();
  return *made;
}

Kept* find(Weights& weights, const std::array<int64_t, 10>& key) {
  const auto at =
      std::find_if(weights.kept.begin(), weights.kept.end(), [&](const Kept& k) { return k.key == key; });
  return at == weights.kept.end() ? nullptr : &*at;
}

void make_room(Cache& cache, uint64_t but, std::vector<Kept>* out) {
  while (cache.weights.size() > kMostStorages || cache.bytes > kMostBytes) {
    auto oldest = cache.weights.end();
    for (auto at = cache.weights.begin(); at != cache.weights.end(); ++at) {
      if (at->first != but && (oldest == cache.weights.end() || at->second.used < oldest->second.used))
        oldest = at;
    }
    if (oldest == cache.weights.end()) return;
    take_out(cache, oldest->first, out);
  }
}

}  // namespace

void set_prepacking(bool on) {
  std::vector<Kept> out;
  const std::lock_guard lock(cache().mutex);
  cache().on = on;
  while (!cache().weights.empty()) take_out(cache(), cache().weights.begin()->first, &out);
}

bool prepacking() {
  const std::lock_guard lock(cache().mutex);
  return cache().on;
}

int64_t prepacked_bytes() {
  const std::lock_guard lock(cache().mutex);
  return cache().bytes;
}

Array packed_weights(const Prepack& prepack, const void* args, const Array& weights,
                     Array (*make)(void* context), void* context) {
  Storage& storage = *weights.storage().get();
  // A recording packs by itself.
  if (Stream::current().recording() || storage.exported.load() || prepack.bytes(args) == 0) return {};
  std::array<int64_t, 10> key{};
  int64_t shape[8] = {};
  prepack.key(args, shape);
  std::copy_n(shape, 8, key.begin());
  key[8] = weights.offset();
  key[9] = reinterpret_cast<int64_t>(prepack.pack(args).function);
  const uint64_t serial = storage.serial, version = storage.version.load();
  std::vector<Kept> out;  // freed after the lock is open
  {
    const std::lock_guard lock(cache().mutex);
    if (!cache().on) return {};
    Weights& mine = cache().weights[serial];
    storage.watched.store(true);
    mine.used = ++cache().clock;
    Kept* kept = find(mine, key);
    if (!kept || kept->version != version) {
      if (kept) {
        cache().bytes -= bytes_of(*kept);
        out.push_back(std::move(*kept));
        *kept = {key, version, {}};
      } else {
        mine.kept.push_back({key, version, {}});
      }
      make_room(cache(), serial, &out);
      return {};
    }
    if (kept->packed) return kept->packed;
  }
  // Without the lock: the kernel may give the GIL away, for which others wait who want the lock.
  Array packed = make(context);
  const std::lock_guard lock(cache().mutex);
  const auto at = cache().weights.find(serial);
  Kept* kept = at == cache().weights.end() ? nullptr : find(at->second, key);
  if (kept && kept->version == version && storage.version.load() == version && !kept->packed) {
    kept->packed = packed;
    cache().bytes += bytes_of(*kept);
    make_room(cache(), serial, &out);
  }
  return packed;
}

}  // namespace markone
