#include "arrays.h"
#include "bpnet/core/arena.h"
#include "bpnet/core/threads/parallel.h"
#include "bpnet/kernels/dispatch.h"
#include "bpnet/version.h"

using namespace bpnet::bindings;

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.doc() = "The C++ core of bpnet. Private: use the bpnet package.";
  module.attr("__version__") = BPNET_VERSION;
  register_errors(module);
  register_interrupts(module);
  register_dataset(module);
  register_network(module);
  register_trainer(module);
  register_io(module);
  register_images(module);
  module.def("backends", &bpnet::backends);
  module.def("default_backend", [] { return bpnet::kernels<float>().name; });
  module.def("num_threads", &bpnet::num_threads);
  module.def("set_num_threads", &bpnet::set_num_threads, py::arg("count"));
  module.def("has_threads", &bpnet::has_threads);
  module.def("arena_allocations", &bpnet::arena_allocations);
}
