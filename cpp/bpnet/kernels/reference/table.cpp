// The reference backend: plain loops with sums in double, written to be read. It is the oracle of
// every kernel test. Formulas and shapes are in kernels.h.
#include "bpnet/kernels/reference/batch_norm.h"
#include "bpnet/kernels/reference/clip.h"
#include "bpnet/kernels/reference/convolution.h"
#include "bpnet/kernels/reference/elementwise.h"
#include "bpnet/kernels/reference/gather.h"
#include "bpnet/kernels/reference/linear.h"
#include "bpnet/kernels/reference/local_response.h"
#include "bpnet/kernels/reference/loss.h"
#include "bpnet/kernels/reference/online.h"
#include "bpnet/kernels/reference/optimizer.h"
#include "bpnet/kernels/reference/pooling.h"
#include "bpnet/kernels/reference/sums.h"
#include "bpnet/kernels/tables.h"

namespace bpnet {
namespace {

size_t no_linear_workspace(LinearSizes) { return 0; }
size_t no_loss_workspace(size_t, size_t) { return 0; }

template <class T>
constexpr Kernels<T> kTable = {
    .linear_workspace = no_linear_workspace,
    .linear_forward = reference::linear_forward<T>,
    .linear_backward_input = reference::linear_backward_input<T>,
    .linear_backward_weight = reference::linear_backward_weight<T>,
    .convolution_workspace = reference::convolution_workspace,
    .convolution_forward = reference::convolution_forward<T>,
    .convolution_backward_input = reference::convolution_backward_input<T>,
    .convolution_backward_weight = reference::convolution_backward_weight<T>,
    .max_pool_forward = reference::max_pool_forward<T>,
    .max_pool_backward = reference::max_pool_backward<T>,
    .average_pool_forward = reference::average_pool_forward<T>,
    .average_pool_backward = reference::average_pool_backward<T>,
    .local_response_workspace = reference::local_response_workspace,
    .local_response_forward = reference::local_response_forward<T>,
    .local_response_backward = reference::local_response_backward<T>,
    .response_pool_workspace = nullptr,
    .response_pool_forward = nullptr,
    .response_pool_backward = nullptr,
    .batch_norm_workspace = reference::batch_norm_workspace,
    .batch_norm_statistics = reference::batch_norm_statistics<T>,
    .batch_norm_forward = reference::batch_norm_forward<T>,
    .batch_norm_backward = reference::batch_norm_backward<T>,
    .activation_forward = reference::activation_forward<T>,
    .activation_backward = reference::activation_backward<T>,
    .softmax_forward = reference::softmax_forward<T>,
    .softmax_backward = reference::softmax_backward<T>,
    .dropout_mask = reference::dropout_mask<T>,
    .multiply = reference::multiply<T>,
    .add = reference::add<T>,
    .scale = reference::scale<T>,
    .copy_columns = reference::copy_columns<T>,
    .transpose = reference::transpose<T>,
    .gather = reference::gather<T>,
    .weigh_rows = reference::weigh_rows<T>,
    .scale_rows = reference::scale_rows<T>,
    .loss_workspace = no_loss_workspace,
    .loss = reference::loss<T>,
    .judge = reference::judge<T>,
    .tally = reference::tally,
    .update = reference::update<T>,
    .clip_workspace = reference::clip_workspace,
    .clip = reference::clip<T>,
    .keep = reference::keep<T>,
    .first_not_finite = reference::first_not_finite<T>,
    .chain_workspace = nullptr,
    .chain_gradients = nullptr,
    .online_workspace = reference::online_workspace<T>,
    .online_sgd = reference::online_sgd<T>,
};

}  // namespace

const Kernels<float>* reference_kernels_float() { return &kTable<float>; }
const Kernels<double>* reference_kernels_double() { return &kTable<double>; }

}  // namespace bpnet
