#include "bpnet/network/chain.h"

namespace bpnet {

template <class T>
Chain make_chain(const BasicNetwork<T>& network) {
  Chain chain;
  const Plan<T>& plan = network.plan();
  std::size_t width = network.input_shape().count();
  for (const Entry& entry : plan.entries) {
    if (entry.type == "Linear") {
      chain.frozen |= entry.frozen;
      const std::size_t out = entry.output_shape.count();
      chain.links.push_back({width, out, entry.first_parameter, entry.parameter_count == 2});
      width = out;
    } else if (entry.activation) {
      const bool joins = !chain.links.empty() && chain.links.back().parameter &&
                         chain.links.back().activation.kind == ActivationKind::kIdentity;
      if (!joins) chain.links.push_back({width, width, std::nullopt});
      chain.links.back().activation = *entry.activation;
    } else if (entry.is_view) {
      chain.has_views = true;
    } else {
      chain.obstacle = "layer " + entry.path + " is " + entry.type;
      return chain;
    }
  }
  return chain;
}

template Chain make_chain<float>(const BasicNetwork<float>&);
template Chain make_chain<double>(const BasicNetwork<double>&);

}  // namespace bpnet
