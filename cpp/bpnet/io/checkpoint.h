// The model file, and the run file that holds a model and all that its training needs to continue.
#pragma once

#include <string>
#include <variant>

#include "bpnet/network/network.h"
#include "bpnet/training/trainer.h"

namespace bpnet {

// Weights and buffers under PyTorch's names; the architecture and preprocessing in the metadata.
template <class T>
void save(BasicNetwork<T>& network, const std::string& path);

// Reads a model file or a run file, which do not store a device: each is loaded on any device. Throws a
// FileFormatError when the file holds the other dtype.
template <class T>
BasicNetwork<T> load_network(const std::string& path, const Where& where = {});

inline Network load(const std::string& path) { return load_network<float>(path); }
inline NetworkF64 load_f64(const std::string& path) { return load_network<double>(path); }

// A network of the file's dtype.
using AnyNetwork = std::variant<Network, NetworkF64>;
AnyNetwork load_any_network(const std::string& path, const Where& where = {});

// "float32" or "float64", and whether the file holds a run.
struct FileKind {
  std::string dtype;
  bool run = false;
};
FileKind inspect(const std::string& path);

}  // namespace bpnet
