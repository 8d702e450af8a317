// NumPy arrays to pointers and back. The Python layer has converted and checked the user's arguments; these
// checks keep memory safe for any caller.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bpnet/network/network.h"
#include "bpnet/training/dataset.h"
#include "interpreter.h"
#include "ticket_lock.h"

namespace bpnet::bindings {

namespace py = pybind11;

// Whether Ctrl-C was pressed, for calls that have released the interpreter: for an Interruptible. It consumes
// the signal, so the call must end with Interrupted, which Python sees as KeyboardInterrupt.
bool ctrl_c_pressed() noexcept;

// action(), ended early by Ctrl-C. It calls Interruptible::check itself, before it changes visible state.
template <class Action>
auto do_or_stop(const Action& action) {
  const StopQuestion pressed = &ctrl_c_pressed;
  Interruptible work(pressed);
  try {
    return action();
  } catch (...) {
    if (work.stopped()) work.check();  // rather than the error of an incomplete object
    throw;
  }
}

// make(), ended early by Ctrl-C: for results that are not visible yet, in memory or on the disk.
template <class Make>
auto make_or_stop(const Make& make) {
  return do_or_stop([&] {
    if constexpr (std::is_void_v<decltype(make())>) {
      make();
      Interruptible::current()->check();
    } else {
      auto made = make();
      Interruptible::current()->check();
      return made;
    }
  });
}

// A network with the lock that lets several Python threads call it one after another.
template <class T>
struct HeldNetwork {
  explicit HeldNetwork(BasicNetwork<T> made) : network(std::move(made)) {
    network.interrupted = &ctrl_c_pressed;
  }
  BasicNetwork<T> network;
  TicketLock lock;            // of all users of the network or its trainers
  std::vector<T> recorded_x;  // of forward(training=True): the caller's array may be gone by backward
};

// work(), while this thread holds the network's lock. The interpreter is released first, so that a thread
// that waits for the lock never holds it.
template <class T, class Work>
auto with_lock(HeldNetwork<T>& held, const Work& work) {
  return without_interpreter([&] {
    const std::lock_guard<TicketLock> guard(held.lock);
    return work();
  });
}

// The array's numbers. Throws unless it is dense, aligned and of type T with `count` elements.
template <class T>
const T* numbers(const py::array& array, std::size_t count, const char* operation) {
  const bool dense = (array.flags() & py::array::c_style) != 0;
  const bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  if (!py::isinstance<py::array_t<T>>(array) || !dense || !aligned) {
    throw py::type_error(std::string(operation) +
                         ": a C-contiguous, aligned array of the network's dtype is needed");
  }
  if (static_cast<std::size_t>(array.size()) != count) {
    throw py::value_error(std::string(operation) + ": the array has " + std::to_string(array.size()) +
                          " elements, " + std::to_string(count) + " are needed");
  }
  return static_cast<const T*>(array.data());
}

inline std::size_t row_count(const py::array& array) {
  return array.ndim() > 0 ? static_cast<std::size_t>(array.shape(0)) : 0;
}

// A new array of `rows` samples of this shape.
template <class T>
py::array_t<T> new_batch(std::size_t rows, const Shape& shape) {
  std::vector<py::ssize_t> sizes{static_cast<py::ssize_t>(rows)};
  for (const std::size_t size : shape) sizes.push_back(static_cast<py::ssize_t>(size));
  return py::array_t<T>(sizes);
}

enum class Access { kRead, kWrite };

// A view that keeps `owner` alive, read-only by default; of a memory that is not the host's a read-only copy.
template <class T>
py::array_t<T> view(const Memory& memory, const Tensor<T>& tensor, const py::object& owner,
                    Access access = Access::kRead) {
  std::vector<py::ssize_t> sizes;
  for (const std::size_t size : tensor.shape) sizes.push_back(static_cast<py::ssize_t>(size));
  py::array_t<T> array;
  if (memory.is_host()) {
    array = py::array_t<T>(sizes, tensor.data, owner);
  } else {
    array = py::array_t<T>(sizes);
    T* const to = array.mutable_data();
    without_interpreter([&] { read_from(memory, to, tensor.data, tensor.count()); });
  }
  if (access == Access::kRead || !memory.is_host()) array.attr("setflags")(py::arg("write") = false);
  return array;
}

template <class T>
py::dict named_views(const Memory& memory, const std::vector<NamedTensor<T>>& tensors,
                     const py::object& owner, Access access = Access::kRead) {
  py::dict result;
  for (const NamedTensor<T>& item : tensors) {
    result[py::str(item.name)] = view(memory, item.tensor, owner, access);
  }
  return result;
}

py::tuple to_tuple(const Shape& shape);

// Data that a C++ Dataset points into, kept alive.
template <class T>
struct HeldDataset {
  Dataset<T> data;
  py::array x;
  std::optional<py::array> targets, sample_weight;
};

template <class T>
std::unique_ptr<HeldDataset<T>> make_dataset(const py::array& x, std::size_t outputs,
                                             const std::optional<py::array>& targets,
                                             const std::optional<py::array>& labels,
                                             const std::optional<py::array>& sample_weight);

void register_errors(py::module_& module);
void register_interrupts(py::module_& module);
void register_dataset(py::module_& module);
void register_descriptions(py::module_& module);
void register_network(py::module_& module);
void register_trainer(py::module_& module);
void register_io(py::module_& module);
void register_tables(py::module_& module);
void register_images(py::module_& module);
void register_threads(py::module_& module);

}  // namespace bpnet::bindings
