#include "bpnet/io/model.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

// x (rows, inputs), each number finite when it is rounded to the network's dtype.
void check_finite(const double* x, std::size_t rows, std::size_t inputs, double too_large) {
  for (std::size_t i = 0; i < rows * inputs; ++i) {
    if (!(std::fabs(x[i]) < too_large)) {
      fail<ValueError>("model: feature ", i % inputs, " of row ", i / inputs, " is ", x[i],
                       ", which is not finite in the network's dtype");
    }
  }
}

template <class T>
void forward_in(BasicNetwork<T>& network, const double* x, std::size_t rows, double* outputs) {
  const std::size_t inputs = network.input_shape().count();
  check_finite(x, rows, inputs, infinite_from<T>());
  const std::vector<T> rounded(x, x + rows * inputs);
  std::vector<T> out(rows * network.output_shape().count());
  network.forward(rounded.data(), rows, out.data());
  std::copy(out.begin(), out.end(), outputs);
}

template <class T>
TableEncoder encoder_for(const BasicNetwork<T>&, const Preprocessing& preprocessing) {
  return TableEncoder(preprocessing, infinite_from<T>());
}

[[noreturn]] void refuse_photographs() {
  fail<ValueError>(
      "model: it was trained on photographs; preprocessing().image->augmenter() cuts its input from them");
}

}  // namespace

Model::Model(AnyNetwork network, Preprocessing preprocessing)
    : network_(std::move(network)), preprocessing_(std::move(preprocessing)) {
  preprocessing_.check();
  const auto fit = [&](const auto& n) {
    preprocessing_.check_network(n.input_shape(), n.output_shape());
    input_count_ = n.input_shape().count();
    output_count_ = n.output_shape().count();
    if (!preprocessing_.columns.empty()) encoder_ = encoder_for(n, preprocessing_);
  };
  std::visit(fit, network_);
}

bool Model::encode(const std::vector<std::string>& fields, double* x) const {
  if (preprocessing_.image) refuse_photographs();
  if (!encoder_) {
    fail<ValueError>("model: it was trained on arrays of ", input_count_, " numbers, not on a table");
  }
  return encoder_->encode(fields, x);
}

void Model::encode(std::span<const double> numbers, double* x) const {
  if (preprocessing_.image) refuse_photographs();
  if (encoder_) fail<ValueError>("model: it was trained on a table, fields of text are needed");
  if (numbers.size() != input_count_) {
    fail<ShapeError>("model: the sample has ", numbers.size(), " numbers, the network's input ",
                     input_count_);
  }
  std::copy(numbers.begin(), numbers.end(), x);
  preprocessing_.standardise(1, input_count_, x);
}

void Model::forward(const double* x, std::size_t rows, double* outputs) {
  std::visit([&](auto& held) { forward_in(held, x, rows, outputs); }, network_);
}

std::size_t Model::decide(const double* outputs) const {
  if (preprocessing_.classes.empty()) fail<ValueError>("model: it gives numbers, not classes");
  return bpnet::decide(preprocessing_.output, outputs, output_count_);
}

void Model::probabilities(const double* outputs, double* p) const {
  if (preprocessing_.classes.empty()) fail<ValueError>("model: it gives numbers, not classes");
  bpnet::probabilities(preprocessing_.output, outputs, output_count_, p);
}

void Model::values(const double* outputs, double* y) const {
  if (!preprocessing_.classes.empty()) fail<ValueError>("model: it gives classes, not numbers");
  std::copy_n(outputs, output_count_, y);
  rescale(preprocessing_.target_mean, preprocessing_.target_scale, y, output_count_);
}

Prediction Model::predict(const std::vector<std::string>& fields) {
  std::vector<double> x(input_count_);
  if (!encode(fields, x.data())) return {.dropped = true};
  return answer(x);
}

Prediction Model::predict(std::span<const double> numbers) {
  std::vector<double> x(input_count_);
  encode(numbers, x.data());
  return answer(x);
}

Prediction Model::answer(const std::vector<double>& x) {
  std::vector<double> outputs(output_count_);
  forward(x.data(), 1, outputs.data());
  Prediction result;
  if (preprocessing_.classes.empty()) {
    result.values.resize(output_count_);
    values(outputs.data(), result.values.data());
    return result;
  }
  result.class_index = decide(outputs.data());
  result.class_name = preprocessing_.classes[*result.class_index];
  if (preprocessing_.output != OutputKind::kValues) {
    result.probabilities.resize(preprocessing_.classes.size());
    probabilities(outputs.data(), result.probabilities.data());
  }
  return result;
}

Model load_model(const std::string& path, const Where& where) {
  AnyNetwork network = load_any_network(path, where);
  const Json description = std::visit([](const auto& held) { return held.preprocessing; }, network);
  try {
    Preprocessing preprocessing;
    if (!description.is_null()) preprocessing = Preprocessing::from_json(description);
    return {std::move(network), std::move(preprocessing)};
  } catch (const ShapeError& error) {
    fail<FileFormatError>("load: ", error.what());
  } catch (const ValueError& error) {
    fail<FileFormatError>("load: ", error.what());
  }
}

}  // namespace bpnet
