#include <atomic>
#include <csignal>

#include "arrays.h"
#include "bpnet/core/threads/interrupt.h"

namespace bpnet::bindings {
namespace {

// Python handles signals in its main thread only, so no other needs to wait for the interpreter.
std::atomic<unsigned long> main_thread{0};

bool in_main_thread() { return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed); }

// Checks in the main thread since count_opportunities; at which of them Ctrl-C is pressed.
std::atomic<std::uint64_t> opportunities{0}, pressed_at{0};

bool count_and_ask() {
  if (!in_main_thread()) return false;
  if (++opportunities == pressed_at) std::raise(SIGINT);
  return true;
}

// For tests: the core checks at every opportunity, and SIGINT is raised at the n-th, counted from 1.
void count_opportunities(std::uint64_t interrupt_at) {
  opportunities = 0;
  pressed_at = interrupt_at;
  replace_question_clock(&count_and_ask);
}

// Restores the clock; returns how many opportunities there were.
std::uint64_t stop_counting_opportunities() {
  replace_question_clock(nullptr);
  return opportunities;
}

}  // namespace

void register_interrupts(py::module_& module) {
  const py::object main = py::module_::import("threading").attr("main_thread")();
  main_thread = main.attr("ident").cast<unsigned long>();
  const py::module_ os = py::module_::import("os");
  if (py::hasattr(os, "register_at_fork")) {  // the forking thread is the child's main thread
    os.attr("register_at_fork")(py::arg("after_in_child") =
                                    py::cpp_function([] { main_thread = PyThread_get_thread_ident(); }));
  }
  module.def("count_opportunities", &count_opportunities, py::arg("interrupt_at") = 0);
  module.def("stop_counting_opportunities", &stop_counting_opportunities);
}

bool ctrl_c_pressed() noexcept {
  if (!in_main_thread()) return false;
  py::gil_scoped_acquire acquire;
  try {
    // A user's handler may call the network, which is locked: it is run after the call. Nothing here may run
    // Python code, for that runs handlers; so this is not the module signal, which is written in it.
    const py::module_ signals = py::module_::import("_signal");
    if (!signals.attr("getsignal")(SIGINT).is(signals.attr("default_int_handler"))) return false;
  } catch (const py::error_already_set&) {
    return false;
  }
  return PyOS_InterruptOccurred() != 0;
}

}  // namespace bpnet::bindings
