#include "bpnet/io/answers.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

void check_finite(const char* operation, const double* outputs, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(outputs[i])) {
      fail<NumericError>(operation, ": the network's output ", i, " is ", outputs[i],
                         ", a finite number is needed");
    }
  }
}

void check_outputs(const char* operation, OutputKind kind, const double* outputs, std::size_t count) {
  if (kind == OutputKind::kLogit && count != 1) {
    fail<ShapeError>(operation, ": a logit is one output, there are ", count);
  }
  check_finite(operation, outputs, count);
}

}  // namespace

std::size_t class_count(OutputKind kind, std::size_t outputs) {
  return kind == OutputKind::kLogit ? 2 : outputs;
}

std::size_t decide(OutputKind kind, const double* outputs, std::size_t count) {
  check_outputs("decide", kind, outputs, count);
  if (kind == OutputKind::kLogit) return outputs[0] > 0;
  return static_cast<std::size_t>(std::max_element(outputs, outputs + count) - outputs);
}

void probabilities(OutputKind kind, const double* outputs, std::size_t count, double* p) {
  if (kind == OutputKind::kValues) {
    fail<ValueError>(
        "probabilities: the model was not trained with a cross-entropy and gives no probabilities");
  }
  check_outputs("probabilities", kind, outputs, count);
  if (kind == OutputKind::kLogit) {
    p[0] = 1 / (1 + std::exp(outputs[0]));
    p[1] = 1 / (1 + std::exp(-outputs[0]));
    return;
  }
  const double largest = *std::max_element(outputs, outputs + count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += p[i] = std::exp(outputs[i] - largest);
  for (std::size_t i = 0; i < count; ++i) p[i] /= sum;
}

void rescale(double mean, double scale, double* outputs, std::size_t count) {
  check_finite("rescale", outputs, count);
  for (std::size_t i = 0; i < count; ++i) outputs[i] = outputs[i] * scale + mean;
  check_finite("rescale", outputs, count);
}

}  // namespace bpnet
