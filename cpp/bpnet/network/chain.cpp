#include "bpnet/network/chain.h"

namespace bpnet {

template <class T>
Chain make_chain(const BasicNetwork<T>& network) {
  Chain chain;
  const Plan<T>& plan = network.plan();
  std::size_t parameter = 0;
  std::size_t width = network.input_shape().count();
  for (std::size_t i = 0; i < network.layers().size(); ++i) {
    const std::string& type = network.layers()[i].type;
    const auto activation = plan.layers[i]->activation();
    if (type == "Linear") {
      const std::size_t out = plan.parameters[parameter].shape[0];
      const std::string bias_name = std::to_string(i) + ".bias";
      const bool bias =
          parameter + 1 < plan.parameters.size() && plan.parameters[parameter + 1].name == bias_name;
      chain.links.push_back({width, out, parameter, bias});
      parameter += bias ? 2 : 1;
      width = out;
    } else if (activation) {
      const bool joins = !chain.links.empty() && chain.links.back().parameter &&
                         chain.links.back().activation.kind == ActivationKind::kIdentity;
      if (!joins) chain.links.push_back({width, width, std::nullopt});
      chain.links.back().activation = *activation;
    } else if (plan.layers[i]->is_view()) {
      chain.has_views = true;
    } else {
      chain.obstacle = "layer " + std::to_string(i) + " is " + type;
      return chain;
    }
  }
  return chain;
}

template Chain make_chain<float>(const BasicNetwork<float>&);
template Chain make_chain<double>(const BasicNetwork<double>&);

}  // namespace bpnet
