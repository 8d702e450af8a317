// Work without Python's interpreter, so that other Python threads run meanwhile.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <optional>
#include <type_traits>

namespace bpnet::bindings {

// Reacquires the interpreter. When the interpreter is finalising, every thread but its last waits here until
// the process ends.
void take_interpreter_back(PyThreadState* state);

// work(), without the interpreter. It must not use a Python object. The interpreter is not reacquired in a
// destructor: Python ends a daemon thread there by unwinding its stack, and a destructor that is unwound ends
// the process.
template <class Work>
auto without_interpreter(const Work& work) -> std::invoke_result_t<const Work&> {
  using Result = std::invoke_result_t<const Work&>;
  std::exception_ptr problem;
  PyThreadState* const state = PyEval_SaveThread();
  if constexpr (std::is_void_v<Result>) {
    try {
      work();
    } catch (...) {
      problem = std::current_exception();
    }
    take_interpreter_back(state);
    if (problem) std::rethrow_exception(problem);
  } else {
    std::optional<Result> result;
    try {
      result.emplace(work());
    } catch (...) {
      problem = std::current_exception();
    }
    take_interpreter_back(state);
    if (problem) std::rethrow_exception(problem);
    return std::move(*result);
  }
}

// Acquires the interpreter temporarily, within without_interpreter(). When the interpreter is finalising,
// every thread but its last waits here until the process ends.
PyGILState_STATE enter_interpreter();

// work(), with the interpreter, on a thread that is without_interpreter().
template <class Work>
void with_interpreter(const Work& work) {
  const PyGILState_STATE state = enter_interpreter();
  try {
    work();
  } catch (...) {
    PyGILState_Release(state);
    throw;
  }
  PyGILState_Release(state);
}

}  // namespace bpnet::bindings
