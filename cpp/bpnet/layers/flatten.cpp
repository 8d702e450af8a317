#include "bpnet/layers/flatten.h"

#include "bpnet/layers/options.h"

namespace bpnet {

LayerSpec flatten() { return {"Flatten", {}}; }

template <class T>
Flatten<T>::Flatten(const Json& options) {
  Options("flatten", options).finish();
}

template class Flatten<float>;
template class Flatten<double>;

}  // namespace bpnet
