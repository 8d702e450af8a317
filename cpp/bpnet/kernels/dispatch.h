// Which backends run here, and which one to use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/kernels/backend.h"

namespace bpnet {

// The backends that run here, best first; "reference" is the last that users have.
std::vector<std::string> backends();

// "cpu", and "cuda:0", "cuda:1" … for each GPU that the driver knows, where bpnet's CUDA library is there.
std::vector<std::string> devices();

// What a network computes on. A backend and a GPU are given one without the other.
struct Where {
  std::string backend = {};    // of the processor; empty: the best that runs here, or BPNET_BACKEND
  std::string device = "cpu";  // or "cuda", the first GPU, or "cuda:1", the second
  Precision precision = Precision::kFull;  // kTf32: of float32 on a GPU
  std::optional<bool> winograd = {};       // nothing: false, and of a file as it was saved
};

// Throws a ValueError for a device of no such form and for what does not go together, and a DeviceError that
// lists the backends there are or says what a GPU needs.
const Backend& find_backend(const Where& where = {});

// The same for arithmetic in T.
template <class T>
const Backend& find_backend_for(const Where& where);

// "full" or "tf32". Throws a ValueError for another name.
Precision precision_from(const std::string& name);
const char* precision_name(Precision precision);

}  // namespace bpnet
