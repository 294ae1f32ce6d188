// What a recording leaves out or puts together. Every rewrite keeps each intermediate rounding, so the bits
// stay the same.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <set>

#include "contract/elementwise.h"
#include "core/parallel.h"
#include "ops/recording.h"
#include "ops/tables.h"

namespace markone {
namespace {

// Constants larger than this are computed again: their memory would not pay for it.
constexpr int64_t kConstantBytes = 16384;
// Elements of a chain that go through all its kernels at once: 16 KiB of float32 an operand, so that a few
// operands stay in the second-level cache.
constexpr int64_t kTile = 4096;
// Tiles that one thread takes at once.
constexpr int64_t kTilesPerChunk = 8;

bool is_elementwise(const Call& call) {
  return (call.form == CallForm::kElementwise || call.form == CallForm::kCopy) && !call.values;
}

}  // namespace

// One kernel of a chain: its arguments stay where they were recorded, so that they can still be patched.
struct Chain::Part {
  const Call* call;
  // Where in the arguments the pointers are, the bytes between elements behind each (0: one element for
  // all), and where in the tile's scratch what lives in the chain alone is (-1: it does not).
  int count;
  uint32_t slot[4];
  int64_t step[4];
  int64_t scratch[4];
};

Chain::Chain() = default;
Chain::~Chain() = default;

namespace {

// The call as a part of a chain of `n` elements; false where it is none.
bool as_part(const Call& call, int64_t* n, Chain::Part* part) {
  if (!is_elementwise(call) || call.access_count > 4) return false;
  *part = {&call, 0, {}, {}, {-1, -1, -1, -1}};
  const auto* e = static_cast<const ElementwiseArgs*>(call.args);
  const auto* c = static_cast<const CopyArgs*>(call.args);
  const bool copy = call.form == CallForm::kCopy;
  if ((copy ? c->ndim : e->ndim) != 1) return false;
  const int64_t size = copy ? c->shape[0] : e->shape[0];
  if (*n == 0) *n = size;
  if (size != *n) return false;
  for (size_t i = 0; i < call.access_count; ++i) {
    const Access& access = call.accesses[i];
    int64_t stride;
    if (copy) {
      stride = access.write ? c->out_stride[0] : c->in_stride[0];
    } else if (access.write) {
      stride = e->out_stride[0];
    } else {
      stride = e->in_stride[(access.slot - offsetof(ElementwiseArgs, in)) / sizeof(void*)][0];
    }
    if (stride != 1 && (stride != 0 || access.write)) return false;
    part->slot[part->count] = access.slot;
    part->step[part->count] = stride == 0 ? 0 : access.bytes / size;
    ++part->count;
  }
  return true;
}

}  // namespace

void run_chain(const ChainArgs* args, const Run* run) {
  const Chain* chain = args->chain;
  struct Context {
    const Chain* chain;
    const Run* run;
  } context{chain, run};
  const int64_t tiles = (chain->elements + kTile - 1) / kTile;
  run->parallel(
      run, (tiles + kTilesPerChunk - 1) / kTilesPerChunk,
      [](void* context_, int64_t chunk, int slot) {
        const auto& [chain, run] = *static_cast<const Context*>(context_);
        Run alone = *run;
        alone.threads = 1;
        alone.scratch = nullptr;
        char* scratch = static_cast<char*>(run->scratch) + slot * chain->scratch_bytes;
        const int64_t end = std::min(chain->elements, (chunk + 1) * kTilesPerChunk * kTile);
        alignas(64) std::byte copy[std::max(sizeof(ElementwiseArgs), sizeof(CopyArgs))];
        for (int64_t first = chunk * kTilesPerChunk * kTile; first < end; first += kTile) {
          const int64_t n = std::min(kTile, end - first);
          for (const Chain::Part& part : chain->parts) {
            const Call& call = *part.call;
            std::memcpy(copy, call.args, call.arg_bytes);
            if (call.form == CallForm::kCopy) {
              reinterpret_cast<CopyArgs*>(copy)->shape[0] = n;
            } else {
              reinterpret_cast<ElementwiseArgs*>(copy)->shape[0] = n;
            }
            for (int k = 0; k < part.count; ++k) {
              char* pointer;
              std::memcpy(&pointer, copy + part.slot[k], sizeof(pointer));
              pointer = part.scratch[k] >= 0 ? scratch + part.scratch[k] : pointer + first * part.step[k];
              std::memcpy(copy + part.slot[k], &pointer, sizeof(pointer));
            }
            call.kernel.invoke(call.kernel.function, copy, &alone);
          }
        }
      },
      &context);
}

void describe(Chain* chain) {
  // The names outlive the recording, as those of all calls do.
  static std::mutex mutex;
  static auto* names = new std::set<std::string>;
  std::string name;
  Call& call = chain->call;
  call = *chain->parts.front().call;
  call.flops = 0;
  for (const Chain::Part& part : chain->parts) {
    if (!name.empty()) name += "+";
    name += part.call->op;
    call.flops += part.call->flops;
    for (int k = 0; k < part.count; ++k) {
      if (part.scratch[k] < 0) chain->accesses.push_back(part.call->accesses[k]);
    }
  }
  {
    const std::lock_guard lock(mutex);
    call.op = names->insert(name).first->c_str();
  }
  call.kernel = make_kernel<ChainArgs>("chain", run_chain);
  call.plan = nullptr;
  call.args = &chain->args;
  call.accesses = chain->accesses.data();
  call.access_count = chain->accesses.size();
}

bool Recording::is_bound(uint64_t serial) const {
  return std::any_of(bindings_.begin(), bindings_.end(),
                     [&](const Binding& bound) { return bound.serial == serial; });
}

// Calls that read nothing but numbers and what such calls made: they run now, once, into memory that stays.
void Recording::compute_constants(std::vector<bool>& gone) {
  const size_t count = program_->size();
  std::vector<bool> constant(count);
  std::unordered_map<uint64_t, std::vector<size_t>> writers;
  for (size_t k = 0; k < count; ++k) {
    const Call& call = program_->call(k);
    constant[k] = is_elementwise(call);
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (!access.write) continue;
      writers[access.serial].push_back(k);
      if (!inside(access) || is_bound(access.serial) || access.begin + access.bytes > kConstantBytes) {
        constant[k] = false;
      }
    }
  }
  const auto is_constant = [&](const Access& access) {
    if (!inside(access)) {
      return access.serial >= program_->first_serial() && access.storage->from_outside();
    }
    const auto at = writers.find(access.serial);
    return at != writers.end() &&
           std::all_of(at->second.begin(), at->second.end(), [&](size_t k) { return constant[k]; });
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t k = 0; k < count; ++k) {
      if (!constant[k]) continue;
      const Call& call = program_->call(k);
      for (size_t i = 0; i < call.access_count && constant[k]; ++i) {
        if (!is_constant(call.accesses[i])) constant[k] = false;
      }
      changed |= !constant[k];
    }
  }
  for (size_t k = 0; k < count; ++k) {
    if (!constant[k]) continue;
    const Call& call = program_->call(k);
    for (size_t i = 0; i < call.access_count; ++i) {
      const Access& access = call.accesses[i];
      if (!access.write || homes_.count(access.serial)) continue;
      int64_t bytes = 0;  // all of its uses: the block may be another's by now
      for (const Call& other : program_->calls()) {
        for (size_t j = 0; j < other.access_count; ++j) {
          const Access& use = other.accesses[j];
          if (use.serial == access.serial) bytes = std::max(bytes, use.begin + use.bytes);
        }
      }
      move(access.serial, Pool::shared().allocate("compile", bytes), false);
    }
    const FlushSubnormals flush;
    const Run run = serial_run();
    call.kernel.invoke(call.kernel.function, call.args, &run);
    gone[k] = true;
    rewrites_.push_back(std::string("computed once: ") + call.op + text_of_site(call.site));
  }
}

// Calls whose results nobody reads: what they write is a temporary that no later call touches.
void Recording::drop_dead(std::vector<bool>& gone) {
  std::unordered_map<uint64_t, bool> wanted;
  for (size_t k = program_->size(); k-- > 0;) {
    if (gone[k]) continue;
    const Call& call = program_->call(k);
    bool needed = call.values != nullptr;  // its error is wanted
    for (size_t i = 0; i < call.access_count && !needed; ++i) {
      const Access& access = call.accesses[i];
      needed =
          access.write && (!inside(access) || is_bound(access.serial) || wanted.count(access.serial) > 0);
    }
    if (needed) {
      for (size_t i = 0; i < call.access_count; ++i) wanted[call.accesses[i].serial] = true;
      continue;
    }
    gone[k] = true;
    rewrites_.push_back(std::string("dropped: ") + call.op + text_of_site(call.site) +
                        ", whose result nobody reads");
  }
}

namespace {

// The copy's (from, to) where it only moves bytes from one run of memory to another.
bool is_plain_copy(const Call& call, const Access** from, const Access** to) {
  if (call.form != CallForm::kCopy || call.access_count != 2) return false;
  const auto* args = static_cast<const CopyArgs*>(call.args);
  if (args->ndim != 1 || (args->shape[0] != 1 && (args->in_stride[0] != 1 || args->out_stride[0] != 1)))
    return false;
  bool same_type = false;
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto function = active_table().copy[t][t].function;
    same_type |= function && call.kernel.function == reinterpret_cast<void (*)()>(function);
  }
  *from = &call.accesses[call.accesses[0].write ? 1 : 0];
  *to = &call.accesses[call.accesses[0].write ? 0 : 1];
  return same_type && (*to)->write && !(*from)->write && (*to)->bytes == (*from)->bytes;
}

}  // namespace

// Whether what call k copies could be read where it came from: the copy is a temporary that nothing else
// writes, and the source stays as it is up to the copy's last reader.
bool Recording::is_needless(size_t k, const std::vector<bool>& gone, const std::vector<size_t>& stops) const {
  const Access *from, *to;
  if (!is_plain_copy(program_->call(k), &from, &to)) return false;
  if (!inside(*to) || is_bound(to->serial) || homes_.count(to->serial)) return false;
  size_t last = k;
  for (size_t i = 0; i < program_->size(); ++i) {
    const Call& call = program_->call(i);
    for (size_t j = 0; j < call.access_count && i != k; ++j) {
      const Access& access = call.accesses[j];
      if (access.serial != to->serial) continue;
      if (access.write || i < k || access.begin < to->begin ||
          access.begin + access.bytes > to->begin + to->bytes) {
        return false;
      }
      if (!gone[i]) last = i;
    }
  }
  // An argument may lie in the memory of anything that is not the program's own.
  const bool elsewhere = !inside(*from) || homes_.count(from->serial) > 0;
  for (size_t i = k + 1; i <= last; ++i) {
    // What Python does between two calls, a scheduler's step, changes what was there before.
    if (elsewhere && std::find(stops.begin(), stops.end(), i) != stops.end()) return false;
    const Call& call = program_->call(i);
    for (size_t j = 0; j < call.access_count; ++j) {
      const Access& access = call.accesses[j];
      if (!access.write) continue;
      const bool foreign = !inside(access) || homes_.count(access.serial) > 0;
      if (elsewhere && foreign && (is_bound(from->serial) || is_bound(access.serial))) return false;
      if (access.storage == from->storage && access.begin < from->begin + from->bytes &&
          from->begin < access.begin + access.bytes) {
        return false;
      }
    }
  }
  return true;
}

// Points one access of a reader at what was copied.
void Recording::read_source(const Call& copy, const Call& reader, Access* access) {
  const Access *from, *to;
  is_plain_copy(copy, &from, &to);
  const int64_t behind = access->delta - to->delta;
  char* pointer;
  std::memcpy(&pointer, static_cast<const char*>(copy.args) + from->slot, sizeof(pointer));
  pointer += behind;
  auto* slot = static_cast<char*>(const_cast<void*>(reader.args)) + access->slot;
  std::memcpy(slot, &pointer, sizeof(pointer));
  for (Binding& bound : bindings_) {
    if (bound.serial != from->serial) continue;
    const auto* place = static_cast<const char*>(copy.args) + from->slot;
    const auto patch = std::find_if(bound.patches.begin(), bound.patches.end(), [&](const Patch& p) {
      return reinterpret_cast<const char*>(p.slot) == place;
    });
    bound.patches.push_back({reinterpret_cast<char**>(slot), patch->delta + behind, &reader});
  }
  recorded_.emplace(access, *access);
  access->begin += from->begin - to->begin;
  access->delta += from->delta - to->delta;
  access->storage = from->storage;
  access->serial = from->serial;
}

void Recording::drop_copies(std::vector<bool>& gone, const std::vector<size_t>& stops) {
  for (size_t k = 0; k < program_->size(); ++k) {
    if (gone[k] || !is_needless(k, gone, stops)) continue;
    const Call& copy = program_->call(k);
    const uint64_t serial = copy.accesses[copy.accesses[0].write ? 0 : 1].serial;
    for (size_t i = k + 1; i < program_->size(); ++i) {
      const Call& reader = program_->call(i);
      for (size_t j = 0; j < reader.access_count; ++j) {
        auto& access = const_cast<Access&>(reader.accesses[j]);
        if (access.serial == serial) read_source(copy, reader, &access);
      }
    }
    gone[k] = true;
    rewrites_.push_back(std::string("not copied: ") + copy.op + text_of_site(copy.site) +
                        ", whose source is read instead");
  }
}

// Whether two calls may run tile by tile in turn: what one of them writes, the other touches at the very same
// elements or not at all.
bool Recording::may_alternate(const Call& a, const Chain::Part& pa, const Call& b,
                              const Chain::Part& pb) const {
  for (size_t i = 0; i < a.access_count; ++i) {
    for (size_t j = 0; j < b.access_count; ++j) {
      const Access &x = a.accesses[i], &y = b.accesses[j];
      if ((!x.write && !y.write) || x.storage != y.storage) continue;
      if (x.begin + x.bytes <= y.begin || y.begin + y.bytes <= x.begin) continue;
      if (x.begin != y.begin || x.bytes != y.bytes || pa.step[i] == 0 || pa.step[i] != pb.step[j])
        return false;
    }
  }
  return true;
}

// Neighbouring elementwise calls over the same elements, from `first` on, that may run tile by tile.
std::unique_ptr<Chain> Recording::chain_from(size_t first, const std::vector<bool>& gone,
                                             const std::vector<size_t>& stops, size_t* end) const {
  auto chain = std::make_unique<Chain>();
  const size_t count = program_->size();
  size_t k = first;
  for (; k < count; ++k) {
    if (gone[k]) continue;
    if (k > first && std::find(stops.begin(), stops.end(), k) != stops.end()) break;
    const Call& call = program_->call(k);
    Chain::Part part;
    if (!as_part(call, &chain->elements, &part) || chain->elements < 2 * kTile) break;
    // An argument may lie in the memory of a tensor that the step writes.
    const bool own = std::all_of(call.accesses, call.accesses + call.access_count, [&](const Access& access) {
      return !access.write || inside(access) || homes_.count(access.serial);
    });
    const bool legal = std::all_of(chain->parts.begin(), chain->parts.end(), [&](const Chain::Part& other) {
      return may_alternate(*other.call, other, call, part);
    });
    if (!own || !legal) break;
    chain->parts.push_back(part);
  }
  *end = k;
  if (chain->parts.size() < 2) return nullptr;
  // What lives in the chain alone needs a tile of memory.
  std::unordered_map<uint64_t, int64_t> outside;  // how often the rest touches it
  for (size_t i = 0; i < count; ++i) {
    if (gone[i] || (i >= first && i < k)) continue;
    const Call& call = program_->call(i);
    for (size_t j = 0; j < call.access_count; ++j) ++outside[call.accesses[j].serial];
  }
  std::unordered_map<uint64_t, int64_t> places;
  bool shared = false;
  for (Chain::Part& part : chain->parts) {
    for (int j = 0; j < part.count; ++j) {
      const Access& access = part.call->accesses[j];
      if (access.write) continue;
      shared |= std::any_of(chain->parts.begin(), chain->parts.end(), [&](const Chain::Part& other) {
        return std::any_of(other.call->accesses, other.call->accesses + other.call->access_count,
                           [&](const Access& x) { return x.serial == access.serial; }) &&
               &other != &part;
      });
    }
    for (int j = 0; j < part.count; ++j) {
      const Access& access = part.call->accesses[j];
      if (!inside(access) || is_bound(access.serial) || outside.count(access.serial) || part.step[j] == 0) {
        continue;
      }
      const auto [at, fresh] = places.emplace(access.serial, chain->scratch_bytes);
      if (fresh) chain->scratch_bytes += (kTile * part.step[j] + 63) / 64 * 64;
      part.scratch[j] = at->second;
    }
  }
  return shared ? std::move(chain) : nullptr;
}

}  // namespace markone
