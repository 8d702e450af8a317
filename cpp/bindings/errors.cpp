#include "bpnet/core/error.h"

#include <cstring>

#include "arrays.h"

namespace bpnet::bindings {
namespace {

// Messages may quote a damaged file: invalid UTF-8 is shown as a replacement character.
void set_error(PyObject* type, const std::exception& error) {
  const std::string text = error.what();
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (!decoded) return;
  PyErr_SetObject(type, decoded);
  Py_DECREF(decoded);
}

void set_os_error(const FileError& error) {
  const auto path = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(error.path().data(), static_cast<Py_ssize_t>(error.path().size())));
  const std::string reason = error.operation() + ": " + std::strerror(error.code());
  const auto text =
      py::reinterpret_steal<py::object>(PyUnicode_DecodeLocale(reason.c_str(), "surrogateescape"));
  if (!path || !text) return;
  // The number decides the class. Python before 3.12 does not look at it again, and FileNotFoundError would
  // not catch what was set as an OSError.
  PyObject* const made = PyObject_CallObject(PyExc_OSError, py::make_tuple(error.code(), text, path).ptr());
  if (!made) return;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made)), made);
  Py_DECREF(made);
}

PyObject* new_error(py::module_& module, const char* name, const char* doc, PyObject* base) {
  const std::string qualified = std::string("bpnet.") + name;
  PyObject* type = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, base, nullptr);
  if (!type) throw py::error_already_set();
  module.attr(name) = py::reinterpret_borrow<py::object>(type);
  return type;  // one reference is kept permanently for the translator
}

PyObject* file_format_error;
PyObject* numeric_error;
PyObject* device_error;

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const FileError& error) {
    set_os_error(error);
  } catch (const FileFormatError& error) {
    set_error(file_format_error, error);
  } catch (const NumericError& error) {
    set_error(numeric_error, error);
  } catch (const DeviceError& error) {
    set_error(device_error, error);
  } catch (const Interrupted&) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
  } catch (const Error& error) {
    set_error(PyExc_ValueError, error);
  }
}

}  // namespace

// Python sees ValueError for shapes and values, OSError (FileNotFoundError, PermissionError, …) for errors of
// the system, and bpnet's classes for the rest.
void register_errors(py::module_& module) {
  file_format_error =
      new_error(module, "FileFormatError", "A file that is not what it claims to be.", PyExc_ValueError);
  numeric_error =
      new_error(module, "NumericError", "NaN or infinity in data, weights or a loss.", PyExc_ValueError);
  device_error =
      new_error(module, "DeviceError", "A backend or device that is not available.", PyExc_RuntimeError);
  py::register_exception_translator(&translate);
}

}  // namespace bpnet::bindings
