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
  auto held = std::make_unique<HeldDataset<T>>();
  Dataset<T>& data = held->data;
  data.count = row_count(x);
  data.features = data.count ? static_cast<std::size_t>(x.size()) / data.count : 0;
  data.outputs = outputs;
  const auto size = static_cast<std::size_t>(x.size());
  if (py::isinstance<py::array_t<float>>(x)) {
    data.x_type = DataType::kFloat32;
    data.x = numbers<float>(x, size, "dataset");
  } else if (py::isinstance<py::array_t<double>>(x)) {
    data.x_type = DataType::kFloat64;
    data.x = numbers<double>(x, size, "dataset");
  } else {
    data.x_type = DataType::kUint8;
    data.x = numbers<std::uint8_t>(x, size, "dataset");
  }
  held->x = x;
  if (targets) {
    data.targets = numbers<T>(*targets, data.count * outputs, "dataset");
    held->targets = *targets;
  }
  if (labels) {
    data.labels = numbers<std::int64_t>(*labels, data.count, "dataset");
    for (std::size_t r = 0; r < data.count; ++r) {
      if (data.labels[r] < 0 || static_cast<std::size_t>(data.labels[r]) >= outputs) {
        throw py::value_error("cross_entropy: the label in row " + std::to_string(r) + " is " +
                              std::to_string(data.labels[r]) + ", the network has classes 0 to " +
                              std::to_string(outputs - 1));
      }
    }
    held->labels = *labels;
  }
  if (sample_weight) {
    data.sample_weight = numbers<T>(*sample_weight, data.count, "dataset");
    held->sample_weight = *sample_weight;
  }
  return held;
}

template <class T>
static void register_one(py::module_& module, const char* name) {
  py::class_<HeldDataset<T>>(module, name)
      .def(py::init(&make_dataset<T>), py::arg("x"), py::arg("outputs"), py::arg("targets") = py::none(),
           py::arg("labels") = py::none(), py::arg("sample_weight") = py::none())
      .def("__len__", [](const HeldDataset<T>& self) { return self.data.count; })
      .def("bad_rows", [](const HeldDataset<T>& self) {
        // The first row of X and of y that is not finite, or None.
        const Dataset<T>& data = self.data;
        std::size_t x, y = kAllFinite;
        {
          py::gil_scoped_release release;
          x = first_bad_row<T>(data.x, data.x_type, data.features, data.count);
          if (data.targets) y = first_bad_row<T>(data.targets, Dataset<T>().x_type, data.outputs, data.count);
        }
        const auto row = [](std::size_t value) -> py::object {
          return value == kAllFinite ? py::object(py::none()) : py::object(py::int_(value));
        };
        return py::make_tuple(row(x), row(y));
      });
}

void register_dataset(py::module_& module) {
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
