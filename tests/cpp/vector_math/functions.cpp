// The vector functions of one instruction set and type, compiled with the flags of its kernel table: see
// bpnet_add_tables in the checkout's CMakeLists.txt. GETTER names the function that returns them.
#include "functions.h"

#include "bpnet/kernels/cpu/activation_math.h"

namespace {

template <vec (*function)(vec)>
void over(std::size_t count, const real* x, real* y) {
  map_vectors(count, x, y, [](vec v) { return function(v); });
}

const Function<real> kFunctions[] = {
    {"exp", over<exp_of>},
    {"tanh", over<tanh_of>},
    {"sigmoid", over<sigmoid>},
    {"log1p", over<log1p_of>},
    {"expm1", over<expm1_of>},
    {"softplus", over<[](vec s) { return softplus(s, 1); }>},
    {"normal_cdf", over<[](vec s) { return normal(s).cdf; }>},
    {"gelu_slope", over<gelu_slope>},
    {"tanh_gelu", over<[](vec s) { return tanh_gelu(s).cdf; }>},
    {"tanh_gelu_slope", over<tanh_gelu_slope>},
    {"silu_slope", over<silu_slope>},
};

}  // namespace

Functions<real> GETTER() { return {kFunctions, sizeof kFunctions / sizeof kFunctions[0]}; }
