#include "reducer.h"

namespace bpnet::bindings {

template <class T>
void PythonReducer<T>::call_number(void* self, const char* name, double* value) {
  with_interpreter([&] {
    py::array_t<double> values(1);
    *values.mutable_data() = *value;
    static_cast<PythonReducer*>(self)->function_(name, values);
    *value = *values.data();
  });
}

template <class T>
std::uint64_t PythonReducer<T>::call_first_row(void* self, std::size_t rows) {
  std::uint64_t first = 0;
  with_interpreter(
      [&] { first = static_cast<PythonReducer*>(self)->first_row_(rows).template cast<std::uint64_t>(); });
  return first;
}

// The array is the gradient itself, or a copy where that is not in the host's memory. Kept beyond the call it
// can be read, but not written.
template <class T>
void PythonReducer<T>::call_gradient(void* self, const char* layer, T* gradient, std::size_t count) {
  with_interpreter([&] {
    auto& me = *static_cast<PythonReducer*>(self);
    const Memory& memory = me.held_->network.memory();
    const auto size = static_cast<py::ssize_t>(count);
    py::array_t<T> values;
    if (memory.is_host()) {
      values = py::array_t<T>({size}, gradient, py::cast(me.held_));
    } else {
      values = py::array_t<T>(size);
      read_from(memory, values.mutable_data(), gradient, count);
    }
    me.function_(layer, values);
    if (!memory.is_host()) write_to(memory, gradient, values.data(), count);
    values.attr("setflags")(py::arg("write") = false);
  });
}

template class PythonReducer<float>;
template class PythonReducer<double>;

}  // namespace bpnet::bindings
