#include "arrays.h"
#include "bpnet/core/error.h"
#include "bpnet/io/checkpoint.h"
#include "bpnet/io/idx.h"
#include "bpnet/io/replacement.h"

namespace bpnet::bindings {
namespace {

py::dtype idx_dtype(IdxType type) {
  switch (type) {
    case IdxType::kUint8: return py::dtype::of<std::uint8_t>();
    case IdxType::kInt8: return py::dtype::of<std::int8_t>();
    case IdxType::kInt16: return py::dtype::of<std::int16_t>();
    case IdxType::kInt32: return py::dtype::of<std::int32_t>();
    case IdxType::kFloat32: return py::dtype::of<float>();
    case IdxType::kFloat64: break;
  }
  return py::dtype::of<double>();
}

py::array parse_idx_array(const py::bytes& bytes) {
  const std::string_view view = bytes;
  const IdxArray parsed = without_interpreter([&] { return parse_idx(view); });
  std::vector<py::ssize_t> sizes;
  for (const std::size_t size : parsed.shape) sizes.push_back(static_cast<py::ssize_t>(size));
  return py::array(idx_dtype(parsed.type), sizes, parsed.bytes.data());  // copies
}

}  // namespace

void register_io(py::module_& module) {
  py::class_<Replacement>(module, "Replacement")
      .def(py::init<std::string, const std::string&>(), py::arg("operation"), py::arg("path"))
      .def_property_readonly("temporary",
                             [](const Replacement& self) {
                               // fsdecode reads UTF-8 on Windows too
                               const std::u8string name = self.temporary().u8string();
                               const py::bytes bytes(reinterpret_cast<const char*>(name.data()), name.size());
                               return py::module_::import("os").attr("fsdecode")(bytes);
                             })
      .def("commit", [](Replacement& self) { without_interpreter([&] { self.commit(); }); })
      .def("discard", &Replacement::discard);
  module.def("parse_idx", &parse_idx_array, py::arg("data"));
  module.def(
      "inspect",
      [](const std::string& path) {
        const FileKind kind =
            without_interpreter([&] { return make_or_stop([&] { return inspect(path); }); });
        return py::make_tuple(kind.dtype, kind.run);
      },
      py::arg("path"));
}

}  // namespace bpnet::bindings
