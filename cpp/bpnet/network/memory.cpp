#include "bpnet/network/memory.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "bpnet/core/memory/arena.h"
#include "bpnet/core/shape.h"

namespace bpnet {
namespace {

constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

struct Piece {
  std::size_t bytes = 0;
  std::size_t first = kNever;  // when it is written first and read last, both included
  std::size_t last = 0;
  std::size_t offset = 0;

  void use(std::size_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
};

bool meet(const Piece& a, const Piece& b) { return a.first <= b.last && b.first <= a.last; }

// First fit, the largest first: each piece gets the lowest offset that is free during its lifetime. Returns
// the bytes of the whole.
std::size_t assign_offsets(std::vector<Piece>& pieces) {
  std::vector<std::size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return pieces[a].bytes > pieces[b].bytes; });
  std::vector<const Piece*> placed;  // by offset
  std::size_t whole = 0;
  for (const std::size_t index : order) {
    Piece& piece = pieces[index];
    if (piece.bytes == 0 || piece.first == kNever) continue;
    for (const Piece* other : placed) {
      if (!meet(piece, *other)) continue;
      if (other->offset >= checked_sum("network", piece.offset, piece.bytes)) break;
      piece.offset = std::max(piece.offset, other->offset + other->bytes);
    }
    whole = std::max(whole, checked_sum("network", piece.offset, piece.bytes));
    const auto after = std::find_if(placed.begin(), placed.end(),
                                    [&](const Piece* other) { return other->offset > piece.offset; });
    placed.insert(after, &piece);
  }
  return whole;
}

template <class T>
std::size_t bytes_of(std::size_t batch, std::size_t count) {
  return align_up(checked_product("network", checked_product("network", batch, count), sizeof(T)));
}

std::vector<std::size_t> offsets(const std::vector<Piece>& pieces, std::size_t begin, std::size_t count) {
  std::vector<std::size_t> result;
  for (std::size_t i = begin; i < begin + count; ++i) result.push_back(pieces[i].offset);
  return result;
}

}  // namespace

// Step i runs forward at time i, the loss at time S, and step i backward at time 2S − i.
template <class T>
BatchMemory training_memory(const Plan<T>& plan, std::size_t batch) {
  const std::size_t steps = plan.steps.size(), ids = plan.activations.size(), wide = plan.most_inputs();
  std::vector<Piece> pieces(2 * ids + steps + steps * wide);
  Piece* activation = pieces.data();
  Piece* gradient = activation + ids;
  Piece* saved = gradient + ids;
  Piece* spare = saved + steps;  // (steps, wide)

  // Gradients that share one memory are counted as one piece, that of the last activation.
  std::vector<std::size_t> owner(ids);
  std::iota(owner.begin(), owner.end(), 0);
  for (std::size_t i = steps; i-- > 0;) {
    const Step& step = plan.steps[i];
    for (const StepInput& input : step.inputs) {
      if (input.propagation == Propagation::kShare) owner[input.id] = owner[step.output];
    }
  }

  for (std::size_t i = 0; i < steps; ++i) {
    const Step& step = plan.steps[i];
    const Layer<T>& layer = plan.layer_of(step);
    const std::size_t backward = 2 * steps - i;
    activation[step.output].use(i);
    gradient[owner[step.output]].use(backward);
    const bool fused = step.slope.kind != ActivationKind::kIdentity;
    if (fused || layer.backward_needs_y()) activation[step.output].use(backward);
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      const StepInput& input = step.inputs[k];
      activation[input.id].use(i);
      if (layer.backward_needs_x()) activation[input.id].use(backward);
      gradient[owner[input.id]].use(backward);
      if (input.propagation == Propagation::kAdd && !layer.adds_to_grad_x()) {
        spare[i * wide + k].bytes = bytes_of<T>(batch, plan.activations[input.id].count);
        spare[i * wide + k].use(backward);
      }
    }
    saved[i].bytes = bytes_of<T>(plan.saved_size(step, batch), 1);
    saved[i].use(i);
    saved[i].use(backward);
  }
  activation[plan.output].use(steps);
  gradient[owner[plan.output]].use(steps);
  for (std::size_t id = 0; id < ids; ++id) {
    const std::size_t bytes = bytes_of<T>(batch, plan.activations[id].count);
    if (id > 0) activation[id].bytes = bytes;
    if (owner[id] == id && (id > 0 || plan.output == 0)) gradient[id].bytes = bytes;
  }

  BatchMemory memory;
  memory.batch = batch;
  memory.bytes = assign_offsets(pieces);
  memory.activations = offsets(pieces, 0, ids);
  memory.gradients = offsets(pieces, ids, ids);
  for (std::size_t id = 0; id < ids; ++id) memory.gradients[id] = memory.gradients[owner[id]];
  memory.saved = offsets(pieces, 2 * ids, steps);
  for (std::size_t i = 0; i < steps; ++i) {
    memory.spare.push_back(offsets(pieces, 2 * ids + steps + i * wide, wide));
  }
  return memory;
}

template <class T>
BatchMemory inference_memory(const Plan<T>& plan, std::size_t batch) {
  const std::size_t steps = plan.steps.size(), ids = plan.activations.size();
  std::vector<Piece> pieces(ids + steps);
  for (std::size_t id = 1; id < ids; ++id) {
    pieces[id].bytes = bytes_of<T>(batch, plan.activations[id].count);
  }
  for (std::size_t i = 0; i < steps; ++i) {
    const Step& step = plan.steps[i];
    pieces[step.output].use(i);
    for (const StepInput& input : step.inputs) pieces[input.id].use(i);
    pieces[ids + i].bytes = bytes_of<T>(plan.saved_size(step, batch), 1);
    pieces[ids + i].use(i);
  }
  pieces[plan.output].use(steps);

  BatchMemory memory;
  memory.batch = batch;
  memory.bytes = assign_offsets(pieces);
  memory.activations = offsets(pieces, 0, ids);
  memory.saved = offsets(pieces, ids, steps);
  return memory;
}

template BatchMemory training_memory<float>(const Plan<float>&, std::size_t);
template BatchMemory training_memory<double>(const Plan<double>&, std::size_t);
template BatchMemory inference_memory<float>(const Plan<float>&, std::size_t);
template BatchMemory inference_memory<double>(const Plan<double>&, std::size_t);

}  // namespace bpnet
