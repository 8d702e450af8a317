#include "custom_loss.h"

#include <algorithm>

namespace bpnet::bindings {
namespace {

// Arrays owned by Python, which it may keep.
template <class U>
py::array_t<U> copied(const U* from, std::vector<py::ssize_t> sizes) {
  py::array_t<U> array(std::move(sizes));
  std::copy_n(from, static_cast<std::size_t>(array.size()), array.mutable_data());
  return array;
}

template <class T>
double call(const py::function& function, const CustomBatch<T>& batch) {
  const auto rows = static_cast<py::ssize_t>(batch.rows);
  std::vector<py::ssize_t> sizes{rows};
  for (const std::size_t size : batch.output_shape) sizes.push_back(static_cast<py::ssize_t>(size));
  const py::array outputs = copied(batch.output, sizes);
  const auto columns = static_cast<py::ssize_t>(batch.outputs());
  const py::array targets =
      batch.label ? py::array(copied(batch.label, {rows})) : py::array(copied(batch.target, {rows, columns}));
  const py::object result = batch.sample_weight
                                ? function(outputs, targets, copied(batch.sample_weight, {rows}))
                                : function(outputs, targets);
  const auto [loss, gradient] = result.cast<std::pair<double, py::array>>();
  const T* const from = numbers<T>(gradient, batch.rows * batch.outputs(), "custom loss");
  if (batch.gradient) std::copy_n(from, batch.rows * batch.outputs(), batch.gradient);
  return loss;
}

}  // namespace

// The function is shared: copies of a loss are created and destroyed by threads without the interpreter.
template <class T>
Loss read_loss(const std::string& description, const std::optional<py::function>& function) {
  Loss loss = loss_from_json(Json::parse(description));
  if (!std::holds_alternative<CustomLoss>(loss) || !function) return loss;
  const auto release = [](py::function* held) { with_interpreter([&] { delete held; }); };
  const std::shared_ptr<py::function> shared(new py::function(*function), release);
  const auto calling = [shared](const CustomBatch<T>& batch) {
    double value = 0;
    with_interpreter([&] { value = call(*shared, batch); });
    return value;
  };
  return CustomLoss(loss_name(loss), calling);
}

template Loss read_loss<float>(const std::string&, const std::optional<py::function>&);
template Loss read_loss<double>(const std::string&, const std::optional<py::function>&);

}  // namespace bpnet::bindings
