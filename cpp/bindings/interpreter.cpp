#include "interpreter.h"

#include <atomic>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace bpnet::bindings {

#ifdef __GLIBCXX__

namespace {

[[noreturn]] void wait_for_the_end() {
  const std::atomic<int> never{0};
  while (true) never.wait(0);
}

}  // namespace

// Before Python 3.14 the thread is ended by unwinding. The objects on its stack refer to Python objects,
// which it must not release now: it waits here.
void take_interpreter_back(PyThreadState* state) {
  try {
    PyEval_RestoreThread(state);
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

PyGILState_STATE enter_interpreter() {
  try {
    return PyGILState_Ensure();
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

#else

void take_interpreter_back(PyThreadState* state) { PyEval_RestoreThread(state); }
PyGILState_STATE enter_interpreter() { return PyGILState_Ensure(); }

#endif

}  // namespace bpnet::bindings
