// The stand-in for cuBLASLt: one thread and plain loops. It does not support a depth that is a multiple of 7,
// nor an epilogue with a multiple of 5.
#include "bpnet/kernels/cuda/product.h"

#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/plans.h"

namespace bpnet::cuda {
namespace {

// The products computed before, which may be recorded.
struct Products final : Library {
  Plans<ProductKey, bool> done;
};

template <class T>
void product_loops(Product p, const T* a, const T* b, Epilogue<T> epilogue, T* c) {
  for (size_t row = 0; row < p.rows; ++row) {
    for (size_t column = 0; column < p.columns; ++column) {
      T& to = c[row * p.columns + column];
      double sum = p.accumulate ? double(to) : 0.0;
      for (size_t i = 0; i < p.depth; ++i) {
        sum += double(a[p.a_transposed ? i * p.rows + row : row * p.depth + i]) *
               double(b[p.b_transposed ? column * p.depth + i : i * p.columns + column]);
      }
      if (epilogue.bias) sum += double(epilogue.bias[column]);
      to = epilogue.relu && sum < 0 ? T(0) : T(sum);
    }
  }
}

}  // namespace

template <class T>
Made library_product(Context& context, const Product& p, const T* a, const T* b, const Epilogue<T>& epilogue,
                     T* c) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  if (!device.products) device.products = std::make_unique<Products>();
  static_cast<Products&>(*device.products)
      .done.get(device, product_key<T>(p, context.precision, a, b, epilogue, c), [] { return true; });
  if (p.depth % 7 == 0) return Made::kNothing;
  const bool all = p.depth % 5 != 0 || (!epilogue.bias && !epilogue.relu);
  launch(context, {1, 1}, product_loops<T>, p, a, b, all ? epilogue : Epilogue<T>{}, c);
  return all ? Made::kAll : Made::kProduct;
}

template Made library_product(Context&, const Product&, const float*, const float*, const Epilogue<float>&,
                              float*);
template Made library_product(Context&, const Product&, const double*, const double*, const Epilogue<double>&,
                              double*);

}  // namespace bpnet::cuda
