#include "arrays.h"
#include "bpnet/core/memory/arena.h"
#include "bpnet/core/threads/fork.h"
#include "bpnet/kernels/dispatch.h"
#include "bpnet/version.h"

using namespace bpnet::bindings;

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.doc() = "The C++ core of bpnet. Private: use the bpnet package.";
  module.attr("__version__") = BPNET_VERSION;
  register_errors(module);
  register_interrupts(module);
  register_dataset(module);
  register_descriptions(module);
  register_network(module);
  register_trainer(module);
  register_io(module);
  register_tables(module);
  register_images(module);
  register_threads(module);
  module.def(
      "backends",
      [](const std::string& precision) { return bpnet::backends(bpnet::precision_from(precision)); },
      py::arg("precision") = "full");
  module.def("devices", &bpnet::devices);
  module.def("default_backend", [] { return bpnet::find_backend().name; });
  module.def("arena_allocations", &bpnet::arena_allocations);
  module.def("fork_count", &bpnet::fork_count);
}
