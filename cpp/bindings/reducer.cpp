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

// The array is the gradient itself, or a copy where that is not in the host's memory.
template <class T>
void PythonReducer<T>::call_gradient(void* self, const char* layer, T* gradient, std::size_t count) {
  with_interpreter([&] {
    auto& me = *static_cast<PythonReducer*>(self);
    HostMirror<T> values(me.held_->network.memory(), gradient, count);
    me.function_(layer, py::array_t<T>({static_cast<py::ssize_t>(count)}, values.data(), py::cast(me.held_)));
    values.send();
  });
}

template class PythonReducer<float>;
template class PythonReducer<double>;

}  // namespace bpnet::bindings
