// The build with all layers, in an application that has parallel regions too.
#include <omp.h>

#include <vector>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/waits.h"
#include "checks.h"

using namespace bpnet;

namespace {

void add_one(std::size_t index, void* seen) { ++(*static_cast<std::vector<int>*>(seen))[index]; }

// bpnet's chunks run on the calling thread of the region.
void check_within_regions(Threading layer) {
  set_threading(layer);
  constexpr int kCallers = 4;
  std::vector<std::vector<int>> seen(kCallers, std::vector<int>(100));
#pragma omp parallel num_threads(kCallers)
  {
#pragma omp for
    for (int caller = 0; caller < kCallers; ++caller) {
      for (int i = 0; i < 50; ++i) parallel_for(100, add_one, &seen[static_cast<std::size_t>(caller)]);
    }
  }
  check(seen == std::vector(kCallers, std::vector<int>(100, 50)),
        std::string(name_of(layer)) + ": calls from a region of the application");
}

// Before anything has called set_num_threads.
void check_counts() {
  const int before = num_threads();
  omp_set_num_threads(5);
  check(num_threads() == 5, "omp_set_num_threads is not seen");
  omp_set_num_threads(omp_get_num_procs());
  check(num_threads() == before, "omp_set_num_threads: the number from before is another");
  set_num_threads(3);
  omp_set_num_threads(2);
  check(num_threads() == 3, "set_num_threads comes before omp_set_num_threads");
}

void check_leaving() {
  set_num_threads(2);
  replace_region_times([](Region& region) { region = {.work = 50e-6, .wait = 8e-3, .chunks = 4}; });
  std::vector<int> seen(100);
  set_threading(Threading::openmp);
  for (int i = 0; i < 50; ++i) parallel_for(100, add_one, &seen);
  check(threading() == Threading::openmp, "what was chosen is kept, however long it waits");
  set_threading(Threading::automatic);
  for (int i = 0; i < 4; ++i) parallel_for(100, add_one, &seen);
  check(threading() == Threading::openmp, "auto stays with OpenMP for a few long waits");
  parallel_for(100, add_one, &seen);
  check(threading() == Threading::pool, "auto leaves OpenMP after several");
  replace_region_times([](Region& region) { region = {.work = 50e-6, .wait = 2e-6, .chunks = 4}; });
  for (int i = 0; i < 100; ++i) parallel_for(100, add_one, &seen);
  check(threading() == Threading::pool, "auto stays with the pool");
  set_threading(Threading::automatic);
  for (int i = 0; i < 1000; ++i) parallel_for(100, add_one, &seen);
  check(threading() == Threading::openmp, "auto begins anew, and stays with OpenMP for short waits");
  replace_region_times(nullptr);
}

}  // namespace

int main() {
  check_names();
  check_waits();
  check(threading() == Threading::openmp, "auto begins with OpenMP");
  check_counts();
  for (const Threading layer :
       {Threading::automatic, Threading::openmp, Threading::pool, Threading::serial}) {
    check_layer(layer);
    check_within_regions(layer);
  }
  check_leaving();
  return finish();
}
