#include "arrays.h"

namespace bpnet::bindings {

py::tuple to_tuple(const Shape& shape) {
  py::tuple result(shape.rank());
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) result[axis] = shape[axis];
  return result;
}

template <class T>
std::unique_ptr<HeldDataset<T>> make_dataset(const py::array& x, std::size_t outputs,
                                             const std::optional<py::array>& targets,
                                             const std::optional<py::array>& labels,
                                             const std::optional<py::array>& sample_weight) {
  DatasetView<T> view;
  view.count = row_count(x);
  view.features = view.count ? static_cast<std::size_t>(x.size()) / view.count : 0;
  view.outputs = outputs;
  const auto size = static_cast<std::size_t>(x.size());
  if (py::isinstance<py::array_t<float>>(x)) {
    view.x_type = DataType::kFloat32;
    view.x = numbers<float>(x, size, "dataset");
  } else if (py::isinstance<py::array_t<double>>(x)) {
    view.x_type = DataType::kFloat64;
    view.x = numbers<double>(x, size, "dataset");
  } else {
    view.x_type = DataType::kUint8;
    view.x = numbers<std::uint8_t>(x, size, "dataset");
  }
  if (targets)
    view.targets = numbers<T>(*targets, checked_product("dataset", view.count, outputs), "dataset");
  if (labels) view.labels = numbers<std::int64_t>(*labels, view.count, "dataset");
  if (sample_weight) view.sample_weight = numbers<T>(*sample_weight, view.count, "dataset");
  return std::make_unique<HeldDataset<T>>(HeldDataset<T>{Dataset<T>(view), x, targets, sample_weight});
}

template <class T>
static void register_one(py::module_& module, const char* name) {
  py::class_<HeldDataset<T>>(module, name)
      .def(py::init(&make_dataset<T>), py::arg("x"), py::arg("outputs"), py::arg("targets") = py::none(),
           py::arg("labels") = py::none(), py::arg("sample_weight") = py::none())
      .def("__len__", [](const HeldDataset<T>& self) { return self.data.count(); })
      .def("bad_rows", [](const HeldDataset<T>& self) {
        // The first row of X and of y that is not finite, or None.
        const DatasetView<T>& data = self.data.view();
        std::size_t x, y = kAllFinite;
        without_interpreter([&] {
          x = first_bad_row<T>(data.x, data.x_type, data.features, data.count);
          constexpr DataType type = DatasetView<T>().x_type;
          if (data.targets) y = first_bad_row<T>(data.targets, type, data.outputs, data.count);
        });
        const auto row = [](std::size_t value) -> py::object {
          return value == kAllFinite ? py::object(py::none()) : py::object(py::int_(value));
        };
        return py::make_tuple(row(x), row(y));
      });
}

void register_dataset(py::module_& module) {
  // Imported now, since pybind11 imports NumPy at its first use, which may be within a call.
  static_cast<void>(py::detail::npy_api::get());
  register_one<float>(module, "DatasetF32");
  register_one<double>(module, "DatasetF64");
}

template std::unique_ptr<HeldDataset<float>> make_dataset<float>(const py::array&, std::size_t,
                                                                 const std::optional<py::array>&,
                                                                 const std::optional<py::array>&,
                                                                 const std::optional<py::array>&);
template std::unique_ptr<HeldDataset<double>> make_dataset<double>(const py::array&, std::size_t,
                                                                   const std::optional<py::array>&,
                                                                   const std::optional<py::array>&,
                                                                   const std::optional<py::array>&);

}  // namespace bpnet::bindings
