// Which backends run here, and which one to use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/kernels/backend.h"

namespace bpnet {

// The backends that run here, best first; "reference" is the last of those for full precision. Of those for
// bfloat16 "amx_model" and "avx512_bf16_model" run everywhere: they compute slowly what "amx" and
// "avx512_bf16" do where the processor has the instruction and the system permits it.
std::vector<std::string> backends(Precision precision = Precision::kFull);

// "cpu", and "cuda:0", "cuda:1" … for each GPU that the driver reports, where bpnet's CUDA library is
// installed.
std::vector<std::string> devices();

// What a network computes on. Give either a backend or a GPU, not both.
struct Where {
  std::string backend = {};    // of the processor; empty: the best for the precision, or BPNET_BACKEND
  std::string device = "cpu";  // or "cuda", the first GPU, or "cuda:1", the second
  // Of float32: kTf32 on a GPU, kBfloat16 on the processor. Unset: kFull, or the file's.
  std::optional<Precision> precision = {};
  std::optional<bool> winograd = {};  // unset: false, or the file's
};

// Throws a ValueError for a malformed device and for incompatible options, and a DeviceError that lists the
// available backends or says what a GPU needs.
const Backend& find_backend(const Where& where = {});

// The same for arithmetic in T.
template <class T>
const Backend& find_backend_for(const Where& where);

// "full", "tf32" or "bfloat16". Throws a ValueError for another name.
Precision precision_from(const std::string& name);
const char* precision_name(Precision precision);

}  // namespace bpnet
