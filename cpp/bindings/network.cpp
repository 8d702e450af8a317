#include "bpnet/network/network.h"

#include "arrays.h"
#include "bpnet/core/error.h"
#include "bpnet/io/checkpoint.h"
#include "bpnet/training/check_gradients.h"
#include "bpnet/training/metrics.h"
#include "bpnet/training/trace.h"
#include "custom_loss.h"

namespace bpnet::bindings {
namespace {

template <class T>
using Held = HeldNetwork<T>;

// An empty precision means that of a description or a file, else the full one.
Where where_of(const std::string& backend, const std::string& device, const std::string& precision,
               std::optional<bool> winograd) {
  Where where{backend, device};
  where.winograd = winograd;
  if (!precision.empty()) where.precision = precision_from(precision);
  return where;
}

template <class T>
std::shared_ptr<Held<T>> make_network(const std::string& description, const std::string& backend,
                                      const std::string& device, const std::string& precision,
                                      std::optional<bool> winograd) {
  const Where where = where_of(backend, device, precision, winograd);
  const Architecture architecture = architecture_from_json(Json::parse(description));
  return without_interpreter([&] {
    return make_or_stop([&] {
      return std::make_shared<Held<T>>(BasicNetwork<T>(architecture.input_shape, architecture.layers,
                                                       {architecture.seed, architecture.on(where)}));
    });
  });
}

template <class T>
const T* batch_of(const py::array& x, const Shape& shape, const char* operation) {
  return numbers<T>(x, checked_product(operation, row_count(x), shape.count()), operation);
}

template <class T>
py::array_t<T> forward(Held<T>& self, const py::array& x) {
  const T* from = batch_of<T>(x, self.network.input_shape(), "forward");
  py::array_t<T> out = new_batch<T>(row_count(x), self.network.output_shape());
  T* to = out.mutable_data();
  const std::size_t rows = row_count(x);
  with_lock(self, [&] { self.network.forward(from, rows, to); });
  return out;
}

template <class T>
py::array_t<T> forward_upto(Held<T>& self, const py::array& x, const std::string& upto) {
  const T* from = batch_of<T>(x, self.network.input_shape(), "forward");
  const Shape shape = with_lock(self, [&] { return self.network.output_shape(upto); });
  const std::size_t rows = row_count(x);
  py::array_t<T> out = new_batch<T>(rows, shape);
  T* to = out.mutable_data();
  with_lock(self, [&] { self.network.forward(from, rows, to, upto); });
  return out;
}

// The whole of predict for an array that needs no conversion; None for any other, which Python converts.
template <class T>
py::object predict(Held<T>& self, const py::array& x) {
  const Shape& input = self.network.input_shape();
  const bool dense = (x.flags() & py::array::c_style) != 0;
  const bool aligned = (x.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  if (!dense || !aligned || !py::isinstance<py::array_t<T>>(x) || row_count(x) == 0) return py::none();
  if (static_cast<std::size_t>(x.ndim()) != input.rank() + 1) return py::none();
  for (std::size_t axis = 0; axis < input.rank(); ++axis) {
    if (static_cast<std::size_t>(x.shape(static_cast<py::ssize_t>(axis) + 1)) != input[axis]) {
      return py::none();
    }
  }
  const T* from = static_cast<const T*>(x.data());
  const std::size_t rows = row_count(x), count = static_cast<std::size_t>(x.size());
  py::array_t<T> out = new_batch<T>(rows, self.network.output_shape());
  T* to = out.mutable_data();
  with_lock(self, [&] {
    const std::size_t bad = self.network.first_not_finite(from, count);
    if (bad < count) {
      fail<NumericError>("predict: X has NaN or infinity in row ", bad / (count / rows));
    }
    self.network.forward(from, rows, to);
  });
  return out;
}

template <class T>
py::array_t<T> forward_training(Held<T>& self, const py::array& x, std::uint64_t step) {
  const T* from = batch_of<T>(x, self.network.input_shape(), "forward");
  const std::size_t rows = row_count(x);
  py::array_t<T> out = new_batch<T>(rows, self.network.output_shape());
  T* to = out.mutable_data();
  with_lock(self, [&] {
    self.network.forget_recorded();  // since its inputs are about to be overwritten
    self.recorded_x.assign(from, from + rows * self.network.input_shape().count());
    BasicNetwork<T>& network = self.network;
    const T* result = network.forward_training(network.stage(self.recorded_x.data(), rows), rows,
                                               {network.options().seed, step});
    read_from(network.memory(), to, result, rows * network.output_shape().count());
  });
  return out;
}

// Both arrays are the host's.
template <class T>
void go_back(BasicNetwork<T>& network, const T* grad_out, std::size_t rows, T* grad_x, bool accumulate) {
  if (network.memory().is_host() || network.recorded_batch() == 0) {
    return network.backward(grad_out, grad_x, accumulate);
  }
  const std::size_t inputs = rows * network.input_shape().count();
  Arena by_x(network.memory());
  by_x.reserve(inputs * sizeof(T));
  T* const start = network.grad_output();
  write_to(network.memory(), start, grad_out, rows * network.output_shape().count());
  network.backward(start, by_x.at<T>(0), accumulate);
  read_from(network.memory(), grad_x, by_x.at<T>(0), inputs);
}

template <class T>
py::array_t<T> backward(Held<T>& self, const py::array& grad_out, bool accumulate) {
  const T* from = batch_of<T>(grad_out, self.network.output_shape(), "backward");
  const std::size_t rows = row_count(grad_out);
  py::array_t<T> grad_x = new_batch<T>(rows, self.network.input_shape());
  T* to = grad_x.mutable_data();
  with_lock(self, [&] {
    const std::size_t recorded = self.network.recorded_batch();
    if (recorded != 0 && recorded != rows) {
      fail<ShapeError>("backward: the gradient has ", rows, " rows, the last forward(training=True) had ",
                       recorded);
    }
    go_back(self.network, from, rows, to, accumulate);
  });
  return grad_x;
}

template <class T>
py::tuple trace_sample(Held<T>& self, const std::string& loss, const py::array& x,
                       const std::optional<py::array>& target, std::optional<std::int64_t> label,
                       const std::optional<py::function>& function) {
  const std::size_t outputs = self.network.output_shape().count();
  const T* from = numbers<T>(x, self.network.input_shape().count(), "trace");
  const T* to = target ? numbers<T>(*target, outputs, "trace") : nullptr;
  const Loss parsed = read_loss<T>(loss, function);
  const Trace<T> t =
      with_lock(self, [&] { return trace(self.network, parsed, from, to, label ? &*label : nullptr); });
  const auto arrays = [](const std::vector<std::vector<T>>& layers) {
    py::list list;
    for (const std::vector<T>& layer : layers)
      list.append(py::array_t<T>(py::ssize_t(layer.size()), layer.data()));
    return list;
  };
  return py::make_tuple(arrays(t.s), arrays(t.x), arrays(t.delta), arrays(t.grad), t.e);
}

template <class T>
py::tuple evaluate_rows(Held<T>& self, const std::string& loss, const HeldDataset<T>& data, std::size_t begin,
                        std::size_t end, const std::optional<py::function>& function) {
  const Loss parsed = read_loss<T>(loss, function);
  const Evaluation result =
      with_lock(self, [&] { return evaluate(self.network, parsed, data.data, begin, end); });
  return py::make_tuple(result.loss_sum, result.weight_sum, result.correct);
}

// (dotted name, layer type, output shape, parameters) for each layer in order
template <class T>
py::list summary_rows(Held<T>& self) {
  py::list rows;
  const Plan<T>& plan = self.network.plan();
  for (const Entry& entry : plan.entries) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < entry.parameter_count; ++i) {
      count += plan.parameters[entry.first_parameter + i].shape.count();
    }
    rows.append(py::make_tuple(entry.path, entry.type, to_tuple(entry.output_shape), count));
  }
  return rows;
}

template <class T>
void register_one(py::module_& module, const char* name) {
  using Self = Held<T>;
  py::class_<Self, std::shared_ptr<Self>> type(module, name);
  type.def(py::init(&make_network<T>), py::arg("description"), py::arg("backend") = "",
           py::arg("device") = "cpu", py::arg("precision") = "", py::arg("winograd") = py::none())
      .def_property_readonly("input_shape", [](Self& s) { return to_tuple(s.network.input_shape()); })
      .def_property_readonly("output_shape", [](Self& s) { return to_tuple(s.network.output_shape()); })
      .def_property_readonly("parameter_count", [](Self& s) { return s.network.parameter_count(); })
      .def_property_readonly("trained_count", [](Self& s) { return s.network.trained_count(); })
      .def_property_readonly("backend", [](Self& s) { return s.network.backend().name; })
      .def_property_readonly("device", [](Self& s) { return s.network.backend().device_name(); })
      .def_property_readonly("precision", [](Self& s) { return precision_name(s.network.precision()); })
      .def_property_readonly("winograd", [](Self& s) { return s.network.winograd(); })
      .def(
          "training_bytes", [](Self& s, std::size_t batch) { return s.network.training_bytes(batch); },
          py::arg("batch"))
      .def("describe", [](Self& s) { return s.network.describe().dump(); })
      .def("summary_rows", &summary_rows<T>)
      .def_property(
          "preprocessing",
          [](Self& s) { return with_lock(s, [&] { return s.network.preprocessing.dump(); }); },
          [](Self& s, const std::string& json) {
            with_lock(s, [&] { s.network.preprocessing = Json::parse(json); });
          })
      .def("state",
           [](const py::object& self) {
             auto& network = self.cast<Self&>().network;
             return named_views(network.memory(), network.state(Writes::kNever), self);
           })
      .def("writable_parameters",
           [](const py::object& self) {
             Self& held = self.cast<Self&>();
             const auto all = with_lock(held, [&] { return held.network.parameters(Writes::kAtAnyTime); });
             return named_views(held.network.memory(), all, self, Access::kWrite);
           })
      .def("gradients",
           [](const py::object& self) {
             auto& network = self.cast<Self&>().network;
             return named_views(network.memory(), network.gradients(), self);
           })
      .def(
          "set_state",
          [](Self& s, const std::string& tensor, const py::array& values) {
            std::vector<std::size_t> sizes(values.shape(), values.shape() + values.ndim());
            const T* from = numbers<T>(values, static_cast<std::size_t>(values.size()), "load_state_dict");
            with_lock(s, [&] { s.network.set_state(tensor, Shape(sizes), from); });
          },
          py::arg("name"), py::arg("values"))
      .def("forward", &forward<T>, py::arg("x"))
      .def("forward_upto", &forward_upto<T>, py::arg("x"), py::arg("upto"))
      .def("predict", &predict<T>, py::arg("x"))
      .def("forward_training", &forward_training<T>, py::arg("x"), py::arg("step"))
      .def("backward", &backward<T>, py::arg("grad_out"), py::arg("accumulate"))
      .def("trace", &trace_sample<T>, py::arg("loss"), py::arg("x"), py::arg("target"), py::arg("label"),
           py::arg("function") = py::none())
      .def("evaluate", &evaluate_rows<T>, py::arg("loss"), py::arg("data"), py::arg("begin"), py::arg("end"),
           py::arg("function") = py::none())
      .def(
          "save",
          [](Self& s, const std::string& path) {
            with_lock(s, [&] { make_or_stop([&] { save(s.network, path); }); });
          },
          py::arg("path"))
      .def_static(
          "load",
          [](const std::string& path, const std::string& backend, const std::string& device,
             const std::string& precision, std::optional<bool> winograd) {
            const Where where = where_of(backend, device, precision, winograd);
            return without_interpreter([&] {
              return make_or_stop([&] { return std::make_shared<Self>(load_network<T>(path, where)); });
            });
          },
          py::arg("path"), py::arg("backend") = "", py::arg("device") = "cpu", py::arg("precision") = "",
          py::arg("winograd") = py::none());
}

py::dict check(Held<double>& self, const std::string& loss, const HeldDataset<double>& data,
               const std::optional<py::function>& function) {
  const Loss parsed = read_loss<double>(loss, function);
  const auto errors = with_lock(self, [&] { return check_gradients(self.network, parsed, data.data); });
  py::dict result;
  for (const auto& [name, error] : errors) result[py::str(name)] = error;
  return result;
}

}  // namespace

void register_network(py::module_& module) {
  register_one<float>(module, "NetworkF32");
  register_one<double>(module, "NetworkF64");
  module.def("check_gradients", &check, py::arg("network"), py::arg("loss"), py::arg("data"),
             py::arg("function") = py::none());
}

}  // namespace bpnet::bindings
