#include "bpnet/training/check_gradients.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"
#include "bpnet/training/batch_loss.h"

namespace bpnet {

// The error of a central difference is rounding / step + step²: least near the cube root of 2^-52.
constexpr double kStep = 6e-6;
constexpr double kLeastShare = 1e-3;  // of the largest gradient: the scale for smaller ones

namespace {

// A temporarily changed weight, which is restored also after an exception.
class Moved {
 public:
  Moved(const Memory& memory, double* weight) : memory_(memory), weight_(weight) {
    read_from(memory, &kept_, weight, 1);
  }
  ~Moved() { move_to(kept_); }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;

  double kept() const { return kept_; }
  void move_to(double value) { write_to(memory_, weight_, &value, 1); }

 private:
  const Memory& memory_;
  double* weight_;
  double kept_;
};

// The parameters of gradients(), in its order.
std::vector<NamedTensor<double>> trained(NetworkF64& network) {
  std::vector<NamedTensor<double>> all = network.parameters(), result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!network.plan().parameter_specs[i].frozen()) result.push_back(all[i]);
  }
  return result;
}

}  // namespace

std::vector<std::pair<std::string, double>> check_gradients(NetworkF64& network, const Loss& loss,
                                                            const Dataset<double>& dataset) {
  const DatasetView<double>& data = dataset.view();
  check_loss(loss, network);
  check_data("check_gradients", data, loss, network);
  if (data.x_type != DataType::kFloat64) fail<ValueError>("check_gradients: x is not of float64, it must be");
  BatchSource<double> source(network);
  BatchLoss<double> batch_loss(network, loss);
  source.reserve(data.count);
  network.reserve(data.count);
  batch_loss.reserve(data.count);
  const Batch<double> batch = source.rows(data, nullptr, 0, data.count);
  batch_loss.weigh(batch);
  batch_loss.scale_to_mean(batch);
  const auto loss_now = [&](double* gradient) {
    const double* output = network.forward_training(batch.x, batch.count, {});
    batch_loss.run(batch, batch_loss.args(batch, output, gradient), Tally::kTraining);
    return batch_loss.read().batch_loss;
  };
  loss_now(network.grad_output());
  network.backward(network.grad_output());

  struct Largest {
    double error = 0, value = 0;
  };
  std::vector<Largest> largest;
  double largest_of_all = 0;
  const auto gradients = network.gradients(), parameters = trained(network);
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    Largest& here = largest.emplace_back();
    HostMirror<double> gradient(network.memory(), gradients[p].tensor.data, gradients[p].tensor.count());
    for (std::size_t i = 0; i < parameters[p].tensor.count(); ++i) {
      Moved weight(network.memory(), parameters[p].tensor.data + i);
      const double step = kStep * std::max(1.0, std::fabs(weight.kept()));
      const double high = weight.kept() + step, low = weight.kept() - step;
      weight.move_to(high);
      const double above = loss_now(nullptr);
      weight.move_to(low);
      const double below = loss_now(nullptr);
      const double difference = (above - below) / (high - low);
      here.error = std::max(here.error, std::fabs(gradient.data()[i] - difference));
      here.value = std::max(here.value, std::fabs(difference));
    }
    largest_of_all = std::max(largest_of_all, here.value);
  }
  // A gradient that is 0 except for rounding (a bias before BatchNorm) is compared with the scale of the
  // others.
  std::vector<std::pair<std::string, double>> result;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const double scale = std::max({largest[p].value, kLeastShare * largest_of_all, 1e-300});
    result.emplace_back(parameters[p].name, largest[p].error / scale);
  }
  return result;
}

}  // namespace bpnet
