#include <atomic>
#include <csignal>

#include "arrays.h"

namespace bpnet::bindings {
namespace {

// Python hears signals in its main thread alone, so no other need wait for the interpreter.
std::atomic<unsigned long> main_thread{0};

}  // namespace

void register_interrupts(py::module_&) {
  const py::object main = py::module_::import("threading").attr("main_thread")();
  main_thread = main.attr("ident").cast<unsigned long>();
  const py::module_ os = py::module_::import("os");
  if (py::hasattr(os, "register_at_fork")) {  // who forks is the child's main thread
    os.attr("register_at_fork")(py::arg("after_in_child") =
                                    py::cpp_function([] { main_thread = PyThread_get_thread_ident(); }));
  }
}

bool ctrl_c_pressed() noexcept {
  if (PyThread_get_thread_ident() != main_thread.load(std::memory_order_relaxed)) return false;
  py::gil_scoped_acquire acquire;
  try {
    // A handler of the user's own may call the network, which is locked: it is run after the call. Nothing
    // here may run Python code, for that runs handlers; so this is not the module signal, which is written in
    // it.
    const py::module_ signals = py::module_::import("_signal");
    if (!signals.attr("getsignal")(SIGINT).is(signals.attr("default_int_handler"))) return false;
  } catch (const py::error_already_set&) {
    return false;
  }
  return PyOS_InterruptOccurred() != 0;
}

}  // namespace bpnet::bindings
