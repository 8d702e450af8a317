#include <cublasLt.h>

#include <cstdint>

#include "bpnet/kernels/cuda/memory.h"
#include "bpnet/kernels/cuda/plans.h"
#include "bpnet/kernels/cuda/product.h"

namespace bpnet::cuda {
namespace {

constexpr std::size_t kWorkspace = std::size_t{32} << 20;  // NVIDIA's recommendation from sm_90 on

void check(const char* call, cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  if (status == CUBLAS_STATUS_ALLOC_FAILED) refuse_memory_of(call);
  fail<DeviceError>("cuda: ", call, ": ", cublasLtGetStatusString(status));
}

struct Plan {
  bool usable;  // else cuBLASLt does not support it
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
};

template <class Value>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check("cublasLtMatmulDescSetAttribute",
        cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)));
}

template <class Value>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
  check("cublasLtMatmulPreferenceSetAttribute",
        cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)));
}

cublasLtMatrixLayout_t layout(const ProductKey& key, std::size_t rows, std::size_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check("cublasLtMatrixLayoutCreate",
        cublasLtMatrixLayoutCreate(&made, key.twofold ? CUDA_R_64F : CUDA_R_32F, rows, columns,
                                   static_cast<std::int64_t>(rows)));
  return made;
}

// cuBLASLt's matrices are column-major: a row-major matrix (rows, columns) is (columns, rows) for it, and C =
// A · B is Cᵀ = Bᵀ · Aᵀ. Its A is our B.
Plan described(const ProductKey& key, const void* bias) {
  Plan plan{true};
  const cublasComputeType_t compute = key.twofold ? CUBLAS_COMPUTE_64F
                                      : key.tf32  ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                  : CUBLAS_COMPUTE_32F;
  check("cublasLtMatmulDescCreate",
        cublasLtMatmulDescCreate(&plan.operation, compute, key.twofold ? CUDA_R_64F : CUDA_R_32F));
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, key.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, key.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (key.bias) {
    set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE,
        key.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS);
    set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);  // its alignment matters
  }
  plan.a = key.b_transposed ? layout(key, key.depth, key.columns) : layout(key, key.columns, key.depth);
  plan.b = key.a_transposed ? layout(key, key.rows, key.depth) : layout(key, key.depth, key.rows);
  plan.c = layout(key, key.columns, key.rows);
  return plan;
}

cublasLtMatmulPreference_t preference(const ProductKey& key) {
  cublasLtMatmulPreference_t made = nullptr;
  check("cublasLtMatmulPreferenceCreate", cublasLtMatmulPreferenceCreate(&made));
  set(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // The parts of a split sum are stored separately and added in a separate step, in a fixed order.
  set(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.b_alignment);
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.a_alignment);
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.c_alignment);
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.c_alignment);
  return made;
}

template <class T>
struct Operands {
  const T *a, *b, *bias;
  T* c;
};

class Products final : public Library {
 public:
  explicit Products(const Device& device) : workspace_(memory_of(device.number()).allocate(kWorkspace)) {
    check("cublasLtCreate", cublasLtCreate(&handle_));
  }

  // Whether it is supported; then it is created.
  template <class T>
  bool make(const Device& device, const ProductKey& key, bool accumulate, const Operands<T>& at) {
    const Plan& plan = plans_.get(device, key, [&] { return find(device, key, at); });
    if (plan.usable) run(device, plan, at, accumulate);
    return plan.usable;
  }

 private:
  template <class T>
  Plan find(const Device& device, const ProductKey& key, const Operands<T>& at) {
    Plan plan = described(key, at.bias);
    cublasLtMatmulHeuristicResult_t result{};
    int count = 0;
    const cublasLtMatmulPreference_t wishes = preference(key);
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, plan.operation, plan.a, plan.b,
                                                                 plan.c, plan.c, wishes, 1, &result, &count);
    static_cast<void>(cublasLtMatmulPreferenceDestroy(wishes));
    plan.algorithm = result.algo;
    plan.usable = status == CUBLAS_STATUS_SUCCESS && count == 1 && result.state == CUBLAS_STATUS_SUCCESS;
    if (plan.usable && key.relu) plan.usable = keeps_nan(device, plan, key.columns, at);
    return plan;
  }

  // Our ReLU of NaN is NaN, which cuBLASLt's max(s, 0) does not promise: tested with a bias of NaN.
  template <class T>
  bool keeps_nan(const Device& device, const Plan& plan, std::size_t columns, Operands<T> at) {
    const Memory& memory = memory_of(device.number());
    const std::size_t bytes = columns * sizeof(T);
    T* const bias = static_cast<T*>(memory.allocate(bytes));
    at.bias = bias;
    cuda::check("cudaMemsetAsync", cudaMemsetAsync(bias, 0xFF, bytes, device.stream()));
    run(device, plan, at, false);
    T first = 0;
    memory.to_host(&first, at.c, sizeof(T));
    memory.release(bias, bytes);
    return first != first;
  }

  template <class T>
  void run(const Device& device, const Plan& plan, const Operands<T>& at, bool accumulate) {
    const T one = 1, beta = accumulate ? T(1) : T(0);
    if (at.bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(at.bias));
    check("cublasLtMatmul",
          cublasLtMatmul(handle_, plan.operation, &one, at.b, plan.a, at.a, plan.b, &beta, at.c, plan.c, at.c,
                         plan.c, &plan.algorithm, workspace_, kWorkspace, device.stream()));
  }

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_;  // one, since all work is in the stream's order
  Plans<ProductKey, Plan> plans_;
};

}  // namespace

template <class T>
Made library_product(Context& context, const Product& p, const T* a, const T* b, const Epilogue<T>& epilogue,
                     T* c) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  if (!device.products) device.products = std::make_unique<Products>(device);
  auto& products = static_cast<Products&>(*device.products);
  const auto make = [&](const Epilogue<T>& form) {
    return products.make(device, product_key<T>(p, context.precision, a, b, form, c), p.accumulate,
                         Operands<T>{a, b, form.bias, c});
  };
  if (epilogue.bias && make(epilogue)) return Made::kAll;
  if (!make({nullptr, false})) return Made::kNothing;
  return epilogue.bias || epilogue.relu ? Made::kProduct : Made::kAll;
}

template Made library_product(Context&, const Product&, const float*, const float*, const Epilogue<float>&,
                              float*);
template Made library_product(Context&, const Product&, const double*, const double*, const Epilogue<double>&,
                              double*);

}  // namespace bpnet::cuda
