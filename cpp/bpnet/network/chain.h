// A network as a chain, as in the lecture: weighted layers, each followed by at most one activation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/network/network.h"

namespace bpnet {

// One link: y = act(W x + b), or without weights y = act(x).
struct ChainLink {
  std::size_t in, out;
  std::optional<std::size_t> parameter;  // index of the weight in plan().parameters; the bias follows
  bool bias = false;
  Activation activation{ActivationKind::kIdentity, 0};
};

struct Chain {
  std::vector<ChainLink> links;
  bool has_views = false;  // Flatten: not a link
  bool frozen = false;     // some layer is
  std::string obstacle;    // why the network is no chain, or empty
};

template <class T>
Chain make_chain(const BasicNetwork<T>& network);

}  // namespace bpnet
