#include "bpnet/core/error.h"

#include "arrays.h"

namespace bpnet::bindings {

// Python sees ValueError for shapes and values, OSError (FileNotFoundError, PermissionError, …) for
// what the system refuses, and classes of bpnet's own for the rest.
void register_errors(py::module_& module) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const FileError& error) {
      const py::tuple arguments = py::make_tuple(error.code(), std::string(error.what()), error.path());
      PyErr_SetObject(PyExc_OSError, arguments.ptr());
    } catch (const Error& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    }
  });
  const auto add = [&](py::handle type) { type.attr("__module__") = "bpnet"; };
  add(py::register_exception<FileFormatError>(module, "FileFormatError", PyExc_ValueError));
  add(py::register_exception<NumericError>(module, "NumericError", PyExc_ValueError));
  add(py::register_exception<DeviceError>(module, "DeviceError", PyExc_RuntimeError));
  module.attr("FileFormatError").attr("__doc__") = "A file that is not what it claims to be.";
  module.attr("NumericError").attr("__doc__") = "NaN or infinity in data, weights or a loss.";
  module.attr("DeviceError").attr("__doc__") = "A backend or device that is not here.";
}

}  // namespace bpnet::bindings
