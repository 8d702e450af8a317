// A Python function as a trainer's Reducer.
#pragma once

#include "arrays.h"
#include "bpnet/training/reducer.h"

namespace bpnet::bindings {

// function(name, values) and first_row(rows) are called with the interpreter, on the thread that trains.
template <class T>
class PythonReducer {
 public:
  PythonReducer(py::function function, py::function first_row, std::shared_ptr<HeldNetwork<T>> held)
      : function_(std::move(function)), first_row_(std::move(first_row)), held_(std::move(held)) {}

  // This object must not move while the result is in use.
  Reducer<T> as_reducer() { return {&call_number, &call_gradient, this, &call_first_row}; }

 private:
  static void call_number(void* self, const char* name, double* value);
  static std::uint64_t call_first_row(void* self, std::size_t rows);
  static void call_gradient(void* self, const char* layer, T* gradient, std::size_t count);

  py::function function_, first_row_;
  std::shared_ptr<HeldNetwork<T>> held_;
};

extern template class PythonReducer<float>;
extern template class PythonReducer<double>;

}  // namespace bpnet::bindings
