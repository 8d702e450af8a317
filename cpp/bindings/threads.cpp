#include <atomic>

#include "arrays.h"
#include "bpnet/core/threads/parallel.h"
#include "bpnet/core/threads/waits.h"

namespace bpnet::bindings {
namespace {

std::atomic<double> work{0}, wait{0};
std::atomic<std::uint64_t> regions{0};

void replace(Region& region) {
  ++regions;
  region = {.work = work, .wait = wait, .chunks = 1};
}

// For tests: each OpenMP region that `automatic` measures counts as if its caller had worked on one chunk and
// then waited for this long, in seconds.
void replace_waits(double work_of_each, double wait_of_each) {
  work = work_of_each;
  wait = wait_of_each;
  regions = 0;
  replace_region_times(&replace);
}

// Restores the measurement; returns how many regions there were.
std::uint64_t restore_waits() {
  replace_region_times(nullptr);
  return regions;
}

}  // namespace

void register_threads(py::module_& module) {
  module.def("num_threads", &num_threads);
  module.def("set_num_threads", &set_num_threads, py::arg("count"));
  module.def("has_threads", &has_threads);
  module.def("threading", [] { return name_of(threading()); });
  module.def(
      "set_threading", [](const std::string& name) { set_threading(threading_named(name)); },
      py::arg("name"));
  module.def("replace_waits", &replace_waits, py::arg("work"), py::arg("wait"));
  module.def("restore_waits", &restore_waits);
}

}  // namespace bpnet::bindings
