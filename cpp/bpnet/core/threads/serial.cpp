// Built without threads (-DBPNET_THREADS=OFF): everything runs on the caller's.
#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/parallel.h"

namespace bpnet {

int default_num_threads() { return 1; }
int num_threads() { return 1; }

void set_num_threads(int count) {
  if (count < 1) fail<ValueError>("set_num_threads: ", count, " threads asked, at least 1 needed");
}

bool has_threads() { return false; }
void start_threads() {}

void parallel_for(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  const Interruptible* const work = Interruptible::current();
  if (work && work->stopped()) return;
  run_in_turn(count, function, argument);
}

}  // namespace bpnet
