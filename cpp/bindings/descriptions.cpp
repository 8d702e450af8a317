// Python's descriptions are checked when they are made: the rules are the core's.
#include "arrays.h"
#include "bpnet/layers/init.h"
#include "bpnet/layers/layer.h"
#include "bpnet/training/loss.h"
#include "bpnet/training/optimizer.h"
#include "bpnet/training/schedule.h"

namespace bpnet::bindings {
namespace {

void check_described_layer(const std::string& layer) {
  for (const LayerSpec& spec : layers_from_json(Json::Array{Json::parse(layer)})) check_layer(spec);
}

}  // namespace

void register_descriptions(py::module_& module) {
  module.def("check_layer", &check_described_layer, py::arg("description"));
  module.def(
      "check_initializer", [](const std::string& init) { Init::from_json(Json::parse(init)); },
      py::arg("description"));
  module.def(
      "check_loss", [](const std::string& loss) { check_loss(loss_from_json(Json::parse(loss))); },
      py::arg("description"));
  module.def(
      "check_optimizer",
      [](const std::string& optimizer) { check_optimizer(optimizer_from_json(Json::parse(optimizer))); },
      py::arg("description"));
  module.def(
      "check_schedule",
      [](const std::string& schedule) { check_schedule(schedule_from_json(Json::parse(schedule))); },
      py::arg("description"));
  module.def("layer_types", &layer_types);
  module.def("loss_names", &loss_names);
}

}  // namespace bpnet::bindings
