// The CPU backend of one instruction set and one type, compiled once for each pair: CMake sets
// BPNET_REAL, BPNET_VECTOR_BYTES, BPNET_BACKEND_NAME and BPNET_TABLE_GETTER.
//
// Everything but the getter has internal linkage, and nothing here uses a std:: template or a shared inline
// function: the linker might keep this object's copy, with its instructions, for all processors.
#include "bpnet/kernels/cpu/activation.h"
#include "bpnet/kernels/cpu/batch_norm.h"
#include "bpnet/kernels/cpu/chain/batch.h"
#include "bpnet/kernels/cpu/chain/online.h"
#include "bpnet/kernels/cpu/clip.h"
#include "bpnet/kernels/cpu/convolution/convolution.h"
#include "bpnet/kernels/cpu/elementwise.h"
#include "bpnet/kernels/cpu/layout.h"
#include "bpnet/kernels/cpu/linear.h"
#include "bpnet/kernels/cpu/local_response.h"
#include "bpnet/kernels/cpu/loss.h"
#include "bpnet/kernels/cpu/optimizer.h"
#include "bpnet/kernels/cpu/pooling.h"
#include "bpnet/kernels/cpu/response_pool.h"
#include "bpnet/kernels/cpu/softmax.h"
#include "bpnet/kernels/cpu/sums.h"
#include "bpnet/kernels/tables.h"

namespace {

constexpr bpnet::Kernels<real> kTable = {
    .linear_workspace = linear_workspace,
    .linear_forward = linear_forward,
    .linear_backward_input = linear_backward_input,
    .linear_backward_weight = linear_backward_weight,
    .convolution_workspace = convolution_workspace,
    .convolution_forward = convolution_forward,
    .convolution_backward_input = convolution_backward_input,
    .convolution_backward_weight = convolution_backward_weight,
    .max_pool_forward = max_pool_forward,
    .max_pool_backward = max_pool_backward,
    .average_pool_forward = average_pool_forward,
    .average_pool_backward = average_pool_backward,
    .local_response_workspace = local_response_workspace,
    .local_response_forward = local_response_forward,
    .local_response_backward = local_response_backward,
    .response_pool_workspace = response_pool_workspace,
    .response_pool_forward = response_pool_forward,
    .response_pool_backward = response_pool_backward,
    .batch_norm_workspace = batch_norm_workspace,
    .batch_norm_statistics = batch_norm_statistics,
    .batch_norm_forward = batch_norm_forward,
    .batch_norm_backward = batch_norm_backward,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .softmax_forward = softmax_forward,
    .softmax_backward = softmax_backward,
    .dropout_mask = dropout_mask,
    .multiply = multiply,
    .add = add,
    .scale = scale,
    .copy_columns = copy_columns,
    .transpose = transpose,
    .gather = nullptr,
    .weigh_rows = weigh_rows,
    .scale_rows = scale_rows,
    .loss_workspace = loss_workspace,
    .loss = loss,
    .judge = judge,
    .tally = tally,
    .update = update,
    .clip_workspace = clip_workspace,
    .clip = clip,
    .keep = keep,
    .first_not_finite = first_not_finite,
    .chain_workspace = chain_workspace,
    .chain_gradients = chain_gradients,
    .online_workspace = online_workspace,
    .online_sgd = online_sgd,
};

}  // namespace

namespace bpnet {

const Kernels<real>* BPNET_TABLE_GETTER() { return &kTable; }

}  // namespace bpnet
