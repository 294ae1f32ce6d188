// A small fork-join pool. What a chunk holds is fixed by the problem; which thread runs it is not.
#pragma once
#include <cstdint>

#include "contract/run.h"

namespace markone {

// How many threads a call may use. The default is what affinity and the cgroup quota allow, or
// MARKONE_NUM_THREADS.
int num_threads();
void set_num_threads(int64_t count);  // raises ValueError outside [1, 256]
int default_num_threads();

// Calls body(context, chunk, slot) once for each chunk, with at most `threads` threads, the caller among
// them. Runs on the caller alone from inside a chunk, while another thread holds the pool, and for one chunk.
void parallel_for(int threads, int64_t chunks, ChunkFn body, void* context);

// While it lives, this thread's arithmetic flushes subnormals to zero; the mode it found is put back.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  uint64_t before_;
};

}  // namespace markone
