// A model: a network with its preprocessing, from raw fields to answers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bpnet/io/answers.h"
#include "bpnet/io/checkpoint.h"
#include "bpnet/io/preprocessing.h"
#include "bpnet/io/table_encoder.h"

namespace bpnet {

// A model's answer for one sample.
struct Prediction {
  bool dropped = false;                         // a field is missing, and the model gives such rows no answer
  std::optional<std::size_t> class_index = {};  // of a classifier, and its name
  std::string class_name = {};
  std::vector<double> probabilities = {};  // (classes,) of a classifier trained with a cross-entropy
  std::vector<double> values = {};         // (outputs,) of a regression, in the target's unit
};

// One object serves one thread at a time, as its network does.
class Model {
 public:
  // Throws a ShapeError where the preprocessing does not fit the network.
  Model(AnyNetwork network, Preprocessing preprocessing);

  AnyNetwork& network() { return network_; }
  const Preprocessing& preprocessing() const { return preprocessing_; }
  std::size_t input_count() const { return input_count_; }
  std::size_t output_count() const { return output_count_; }

  // x (input_count(),) = a row of the table the model was trained on: one field for each of
  // preprocessing().columns, as the file writes it. False where a missing field says that the row gets no
  // answer. Throws a ValueError that names the column.
  bool encode(const std::vector<std::string>& fields, double* x) const;
  // x (input_count(),) = numbers of a model that was trained on arrays, standardised.
  void encode(std::span<const double> numbers, double* x) const;

  // outputs (rows, output_count()) of x (rows, input_count()), computed in the network's dtype.
  void forward(const double* x, std::size_t rows, double* outputs);

  // Of one sample's outputs (output_count(),): the class's index; p (classes,); y (output_count(),) in the
  // target's unit. A ValueError for a model that has no such answer.
  std::size_t decide(const double* outputs) const;
  void probabilities(const double* outputs, double* p) const;
  void values(const double* outputs, double* y) const;

  Prediction predict(const std::vector<std::string>& fields);
  Prediction predict(std::span<const double> numbers);

 private:
  Prediction answer(const std::vector<double>& x);

  AnyNetwork network_;
  Preprocessing preprocessing_;
  std::optional<TableEncoder> encoder_;  // of a model of a table
  std::size_t input_count_, output_count_;
};

// Reads a model file or a run file of either dtype. A FileFormatError where its preprocessing contradicts
// itself or does not fit its network.
Model load_model(const std::string& path, const Where& where = {});

}  // namespace bpnet
