#include "bpnet/training/check_gradients.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {

// The error of a central difference is rounding / step + step²: least near the cube root of 2^-52.
constexpr double kStep = 6e-6;
constexpr double kLeastShare = 1e-3;  // of the largest gradient: what smaller ones are compared with

namespace {

// A weight that is moved for a while: whatever is thrown meanwhile, it goes back.
struct Moved {
  explicit Moved(double& weight) : w(weight), kept(weight) {}
  ~Moved() { w = kept; }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  double& w;
  const double kept;
};

}  // namespace

std::vector<std::pair<std::string, double>> check_gradients(NetworkF64& network, const Loss& loss,
                                                            const Dataset<double>& dataset) {
  const DatasetView<double>& data = dataset.view();
  check_loss(loss, network);
  check_data("check_gradients", data, loss, network);
  if (data.x_type != DataType::kFloat64) fail<ValueError>("check_gradients: x is not of float64, it must be");
  const std::size_t outputs = network.output_shape().count();
  const std::vector<double>& class_weight = loss_class_weight(loss);
  const double* x = static_cast<const double*>(data.x);
  std::vector<double> row_scale(data.count), grad_output(data.count * outputs);
  double sum = 0;
  for (std::size_t r = 0; r < data.count; ++r) {
    row_scale[r] = data.sample_weight ? data.sample_weight[r] : 1.0;
    const bool weighted = data.labels && !class_weight.empty();
    sum += row_scale[r] * (weighted ? class_weight[static_cast<std::size_t>(data.labels[r])] : 1.0);
  }
  for (double& scale : row_scale) scale = sum > 0 ? scale / sum : 0;

  network.reserve(data.count);
  network.reserve_scratch(network.kernels().loss_workspace(data.count, outputs));
  const auto loss_now = [&](double* gradient) {
    const double* output = network.forward_training(x, data.count, 0, 0);
    const LossArgs<double> args{loss_kind(loss),  loss_parameter(loss),
                                data.count,       outputs,
                                output,           data.targets,
                                data.labels,      class_weight.empty() ? nullptr : class_weight.data(),
                                row_scale.data(), gradient};
    return network.kernels().loss(network.context(), args);
  };
  loss_now(grad_output.data());
  network.backward(grad_output.data());

  struct Largest {
    double error = 0, value = 0;
  };
  std::vector<Largest> largest;
  double largest_of_all = 0;
  const auto parameters = network.parameters(), gradients = network.gradients();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    Largest& here = largest.emplace_back();
    for (std::size_t i = 0; i < parameters[p].tensor.count(); ++i) {
      const Moved moved(parameters[p].tensor.data[i]);
      double& w = moved.w;
      const double kept = moved.kept, step = kStep * std::max(1.0, std::fabs(kept));
      w = kept + step;
      const double above = loss_now(nullptr), high = w;
      w = kept - step;
      const double below = loss_now(nullptr), low = w;
      const double difference = (above - below) / (high - low);
      here.error = std::max(here.error, std::fabs(gradients[p].tensor.data[i] - difference));
      here.value = std::max(here.value, std::fabs(difference));
    }
    largest_of_all = std::max(largest_of_all, here.value);
  }
  // A gradient that is 0 but for rounding (a bias before BatchNorm) is measured by the others.
  std::vector<std::pair<std::string, double>> result;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const double scale = std::max({largest[p].value, kLeastShare * largest_of_all, 1e-300});
    result.emplace_back(parameters[p].name, largest[p].error / scale);
  }
  return result;
}

}  // namespace bpnet
