// Many short loops of changing length from several threads at once: every chunk must run exactly once, on a
// slot of its own. Built with -fsanitize=thread by tests/core/test_parallel.py.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace {

struct Loop {
  int threads;
  std::vector<std::atomic<int>> runs;
  std::vector<std::atomic<int>> busy;
  std::vector<int64_t> values;  // plain memory: the end of the loop must publish it
  std::atomic<bool> wrong{false};
  Loop(int thread_count, int64_t chunks)
      : threads(thread_count),
        runs(static_cast<size_t>(chunks)),
        busy(static_cast<size_t>(thread_count)),
        values(static_cast<size_t>(chunks)) {}
};

void nested(void* context, int64_t, int) { ++*static_cast<std::atomic<int>*>(context); }

void chunk(void* context, int64_t index, int slot) {
  auto* loop = static_cast<Loop*>(context);
  if (slot < 0 || slot >= loop->threads || loop->busy[static_cast<size_t>(slot)].exchange(1) != 0) {
    loop->wrong = true;
    return;
  }
  const auto i = static_cast<size_t>(index);
  if (i >= loop->runs.size()) {
    loop->wrong = true;
    return;
  }
  loop->runs[i].fetch_add(1);
  loop->values[i] = index * index;
  if (index % 7 == 0) {
    std::atomic<int> count{0};
    markone::parallel_for(4, 3, nested, &count);
    if (count != 3) loop->wrong = true;
  }
  loop->busy[static_cast<size_t>(slot)].store(0);
}

bool run_loops(int thread, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const int64_t chunks = 1 + (round * 7 + thread * 3) % 23;
    Loop loop(2 + round % 4, chunks);
    markone::parallel_for(loop.threads, chunks, chunk, &loop);
    bool right = !loop.wrong;
    for (int64_t i = 0; i < chunks; ++i) {
      right &= loop.runs[static_cast<size_t>(i)] == 1 && loop.values[static_cast<size_t>(i)] == i * i;
    }
    if (!right) {
      std::printf("thread %d, round %d: a chunk ran twice, not at all or on a shared slot\n", thread, round);
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
  const int callers = argc > 2 ? std::atoi(argv[2]) : 3;
  std::atomic<bool> right{true};
  std::vector<std::thread> threads;
  for (int t = 0; t < callers; ++t) {
    threads.emplace_back([&, t] {
      if (!run_loops(t, rounds)) right = false;
    });
  }
  for (auto& thread : threads) thread.join();
  if (!right) return 1;
  std::puts("every chunk ran once");
  return 0;
}
