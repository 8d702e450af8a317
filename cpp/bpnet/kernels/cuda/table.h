// The GPU's kernel table: each family of kernels sets its entries, in a file of its name.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

template <class T>
void set_activation(Kernels<T>&);
template <class T>
void set_batch_norm(Kernels<T>&);
template <class T>
void set_chain(Kernels<T>&);
template <class T>
void set_clip(Kernels<T>&);
template <class T>
void set_convolution(Kernels<T>&);
template <class T>
void set_dropout(Kernels<T>&);
template <class T>
void set_elementwise(Kernels<T>&);
template <class T>
void set_gather(Kernels<T>&);
template <class T>
void set_layout(Kernels<T>&);
template <class T>
void set_linear(Kernels<T>&);
template <class T>
void set_local_response(Kernels<T>&);
template <class T>
void set_loss(Kernels<T>&);
template <class T>
void set_online(Kernels<T>&);
template <class T>
void set_optimizer(Kernels<T>&);
template <class T>
void set_pooling(Kernels<T>&);
template <class T>
void set_softmax(Kernels<T>&);
template <class T>
void set_sums(Kernels<T>&);

template <class T>
const Kernels<T>* table();

}  // namespace bpnet::cuda
