// A network: a plan, its parameters, and the memory of one batch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bpnet/core/memory/arena.h"
#include "bpnet/core/tensor.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/kernels/dispatch.h"
#include "bpnet/network/memory.h"
#include "bpnet/network/plan.h"
#include "bpnet/network/prepared_weights.h"

namespace bpnet {

struct NetworkOptions {
  std::uint64_t seed = 0;
  Where where = {};
};

template <class T>
struct NamedTensor {
  std::string name;
  Tensor<T> tensor;
};

// The key of a batch's random masks.
struct StepNumber {
  std::uint64_t seed = 0, step = 0;  // number the random masks
  std::uint64_t first_row = 0;       // of the batch among the rows of all batches that make the step together
};

// The data of a backward pass.
template <class T>
struct RecordedForward {
  const T* x;  // (batch, input), in the backend's memory
  std::size_t batch;
};

// Called by backward when all gradients of a layer's parameters are computed, the last layer first, without
// frozen ones: the layer's name and its range of the flat gradients.
struct GradientReady {
  void (*call)(void* context, const std::string& layer, std::size_t offset, std::size_t count);
  void* context;
};

// When the caller of state(), parameters() or parameter_data() writes there. One who writes at another time
// gets inferences by the old weights.
enum class Writes {
  kNever,
  kBeforeNextCall,  // of this network
  kAtAnyTime,       // from then on every inference reads all weights
};

// One object serves one thread at a time. Sizes given as `batch` count samples. Arrays are in the backend's
// memory, which for the processors' backends is the host's, unless stated otherwise.
template <class T>
class BasicNetwork {
 public:
  BasicNetwork(const Shape& input_shape, std::vector<LayerSpec> layers, const NetworkOptions& options = {});

  const Shape& input_shape() const { return plan_.input_shape; }
  const Shape& output_shape() const { return plan_.output_shape; }
  const std::vector<LayerSpec>& layers() const { return specs_; }
  const NetworkOptions& options() const { return options_; }
  Precision precision() const { return options_.where.precision.value_or(Precision::kFull); }
  bool winograd() const { return options_.where.winograd.value_or(false); }
  const Backend& backend() const { return *backend_; }
  const Memory& memory() const { return backend_->memory(); }
  const Kernels<T>& kernels() const { return *kernels_; }
  const Plan<T>& plan() const { return plan_; }

  // Parameters and buffers in layer order.
  std::vector<NamedTensor<T>> state(Writes writes = Writes::kAtAnyTime);
  std::vector<NamedTensor<T>> parameters(Writes writes = Writes::kAtAnyTime);
  std::vector<NamedTensor<T>> gradients();  // of the parameters that are not frozen
  std::size_t parameter_count() const;      // numbers of all parameters, frozen ones too
  std::size_t trained_count() const;        // without these

  // Overwrites one tensor of state() by the host's values, which must be finite. No backward is possible
  // then.
  void set_state(const std::string& name, const Shape& shape, const T* values);

  // Allocates the memory for batches of up to max_batch; later calls within it allocate none, whatever was
  // called between, except that in bfloat16 the second inference with the same weights allocates memory for
  // them, rounded, where there is such memory.
  void reserve(std::size_t max_batch);
  std::size_t reserved_batch() const { return training_.batch; }

  // The total bytes of training on batches of this size: parameters, gradients, and those of reserve().
  std::size_t training_bytes(std::size_t max_batch) const;

  // out (batch, output) = the network's outputs for x (batch, input), in evaluation mode; both are in the
  // host's memory.
  void forward(const T* x, std::size_t batch, T* out);
  // The outputs of the layer named `upto` ("features.3", "layer1.0.conv1") instead, (batch,
  // output_shape(upto)): the outputs of a network that ends there. Throws a ValueError that lists the names
  // of all layers. Memory for the last such layer is kept.
  void forward(const T* x, std::size_t batch, T* out, const std::string& upto);
  Shape output_shape(const std::string& upto);
  // The whole network's outputs, x and out in the backend's memory.
  void infer(const T* x, std::size_t batch, T* out);

  // The address where the backend can read the host's x (batch, input): x itself on the host's memory, else a
  // copy that is valid until the next call.
  const T* stage(const T* x, std::size_t batch);

  // As forward, in training mode, kept for backward. x must stay valid until backward. The result is valid
  // until the next call. Where `stopped` is not null and points to another number than 0, what
  // undo_forward_training restores is kept.
  const T* forward_training(const T* x, std::size_t batch, const StepNumber& now,
                            const std::uint64_t* stopped = nullptr);
  // The same with the step's number in the backend's memory.
  const T* forward_training(const T* x, std::size_t batch, const RandomStep* now,
                            const std::uint64_t* stopped);

  // Restores the buffers as they were before the last forward_training, after which no backward is possible;
  // does only the latter when there was none, or it was forgotten.
  void undo_forward_training();

  // Gradients of the parameters (and, unless null, of x) for grad_out (batch, output), the gradient by the
  // outputs of the last forward_training. Overwrites gradients(), or adds to them. An exception undoes the
  // forward_training; gradients() are garbage then.
  void backward(const T* grad_out, T* grad_x = nullptr, bool accumulate = false,
                const GradientReady* ready = nullptr);

  // Where a caller may write grad_out directly, without a copy.
  T* grad_output() { return gradient_of(plan_.output, nullptr); }
  const T* recorded_output();                                     // what the last forward_training returned
  void forget_recorded() { recorded_batch_ = 0; }                 // x is about to be destroyed
  std::size_t recorded_batch() const { return recorded_batch_; }  // 0: no backward is possible
  // A recorded forward_training, and its state after a device has replayed it without the host.
  RecordedForward<T> recorded_forward() const { return {recorded_x_, recorded_batch_}; }
  void set_recorded(const RecordedForward<T>& forward);

  // For the trainer: flat arrays whose slots are plan().parameters.
  T* parameter_data(Writes writes = Writes::kAtAnyTime) {
    expect(writes);
    return parameters_.template at<T>(0);
  }
  T* gradient_data() { return gradients_.template at<T>(0); }
  T* buffer_data() { return buffers_.template at<T>(0); }
  Context& context() { return context_; }
  void reserve_scratch(std::size_t bytes);
  // Incremented when arrays that a step uses move: recordings with their addresses are invalid.
  std::uint64_t memory_version() const { return memory_version_; }
  // Index of the host's first number that is NaN or infinite, or count.
  std::size_t first_not_finite(const T* values, std::size_t count);

  // input_shape, dtype, seed and layers, precision if it is bfloat16 and winograd if it is true, as the model
  // file stores them
  Json describe() const;

  // Called during long work when set, on the calling thread: true ends forward, forward_training or backward,
  // during a layer too, with Interrupted, and forward_training is undone. Not for step_unchecked, which would
  // swallow the error.
  StopQuestion interrupted;

  Json preprocessing;  // how raw data becomes x; see io/preprocessing.h. Null when there is none.

 private:
  // The layers up to one of them, with a separate plan and workspace, on the network's weights.
  struct Section {
    std::string upto;
    Plan<T> plan;
    std::vector<T*> parameters, buffers;
    Arena workspace;
    BatchMemory memory;
  };
  // The data of a forward pass.
  struct Course {
    const Plan<T>& plan;
    const std::vector<T*>&parameters, &buffers;
    Arena& workspace;
    const BatchMemory& memory;
    const PreparedWeights<T>* prepared = nullptr;
  };

  void expect(Writes writes);
  Section& section(const std::string& upto);
  T* activation(const BatchMemory& memory, std::size_t id) {
    return workspace_.template at<T>(memory.activations[id]);
  }
  T* gradient_of(std::size_t id, T* grad_x) {
    return id == 0 && grad_x ? grad_x : workspace_.template at<T>(training_.gradients[id]);
  }
  const T* recorded(std::size_t id) { return id == 0 ? recorded_x_ : activation(training_, id); }
  std::size_t inference_rows() const;
  void reserve_inference(std::size_t rows);
  const T* infer_piece(const T* x, std::size_t rows);
  void take_memory(BatchMemory training, BatchMemory inference);
  void run_steps(const Course& course, const T* x, std::size_t batch, const RandomStep* now);
  void run_back(std::size_t index, T* grad_x, bool accumulate);
  void run_back_all(T* grad_x, bool accumulate, const GradientReady* ready);
  void report(const Step& step, const GradientReady& ready) const;
  std::vector<T*> pointers(Arena& arena, const std::vector<Slot>& slots);

  std::vector<LayerSpec> specs_;
  NetworkOptions options_;
  const Backend* backend_;
  const Kernels<T>* kernels_;
  Plan<T> plan_;
  Arena parameters_, gradients_, buffers_, workspace_, scratch_;
  Arena buffers_before_;  // the last forward_training
  Arena staged_x_;
  Arena now_;  // a RandomStep
  std::vector<T*> parameter_pointers_, gradient_pointers_, buffer_pointers_;
  std::vector<const T*> inputs_;     // of the running step
  std::vector<T*> input_gradients_;  // likewise, and whether they are added to
  std::unique_ptr<bool[]> adds_;
  Context context_;
  BatchMemory training_, inference_;
  PreparedWeights<T> prepared_;
  std::unique_ptr<Section> section_;
  const T* recorded_x_ = nullptr;  // of the last forward_training
  std::size_t recorded_batch_ = 0;
  std::uint64_t memory_version_ = 0;
};

// Reads the result of describe().
struct Architecture {
  Shape input_shape;
  std::vector<LayerSpec> layers;
  std::uint64_t seed = 0;
  std::optional<Precision> precision = {};
  bool winograd = false;

  // `where`, with this precision and winograd option unless it sets them.
  Where on(Where where) const;
};
Architecture architecture_from_json(const Json& description);

using Network = BasicNetwork<float>;
using NetworkF64 = BasicNetwork<double>;

template <class T>
constexpr const char* dtype_name();
template <>
constexpr const char* dtype_name<float>() {
  return "float32";
}
template <>
constexpr const char* dtype_name<double>() {
  return "float64";
}

extern template class BasicNetwork<float>;
extern template class BasicNetwork<double>;

}  // namespace bpnet
