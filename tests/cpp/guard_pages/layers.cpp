// Every layer: predictions, and steps forward and back, with growing, shrinking and random batch sizes. A
// network of one layer has exactly the scratch that this layer requested.
#include <bpnet/layers/path.h>

#include <algorithm>
#include <set>
#include <string>

#include "sweep.h"

namespace sweep {
namespace {

struct Case {
  bpnet::LayerSpec layer;
  bpnet::Shape input;
  std::size_t most;  // samples
  bool winograd = false;
};

bpnet::Shape flat(Numbers& n) { return {1 + n.below(200)}; }
bpnet::Shape map(Numbers& n, std::size_t groups = 1) {
  return {groups * (1 + n.below(20)), 3 + n.below(12), 3 + n.below(12)};
}

// Of enough channels for Winograd's filtering.
bpnet::Shape filtered_map(Numbers& n, std::size_t groups = 1) {
  return {groups * (32 + n.below(40)), 6 + n.below(9), 6 + n.below(9)};
}

// One of each kind with random sizes; another call gives other sizes.
std::vector<Case> draw(Numbers& n) {
  using namespace bpnet;
  const std::size_t out = 1 + n.below(150), few = 2 * (1 + n.below(12));
  const bpnet::Shape few_channels{1 + n.below(8), 5 + n.below(12), 3 + n.below(40)};
  const bpnet::Shape channels{16 + n.below(20), 5 + n.below(8), 5 + n.below(8)};
  std::vector<Case> cases{
      {linear(out), flat(n), 300},
      {linear(out, {.bias = false}), flat(n), 300},
      {linear(out).frozen(), flat(n), 300},
      {softmax(), flat(n), 200},
      {dropout(0.3), flat(n), 200},
      {flatten(), map(n), 20},
      {conv2d(few, {.kernel_size = 3, .padding = 1}), map(n), 40},
      {conv2d(few, {.kernel_size = 1}), map(n), 40},
      {conv2d(few, {.kernel_size = {3, 2}, .stride = {2, 1}, .dilation = {1, 2}, .groups = 2}), map(n, 2),
       40},
      {conv2d(16 * (1 + n.below(3)), {.kernel_size = {5, 3}, .stride = {2, 1}, .padding = 2}), few_channels,
       40},
      {conv2d(few, {.kernel_size = 3, .padding = {0, 2}}), few_channels, 40},
      {conv2d(few, {.kernel_size = {4, 3}, .stride = {3, 2}, .padding = 1}), channels, 20},
      {conv2d(few, {.kernel_size = 3, .padding = 2, .dilation = {2, 1}}), channels, 20},
      {max_pool2d(3, {.stride = 2}), map(n), 40},
      {max_pool2d({2, 3}, {.padding = 1, .ceil_mode = true}), map(n), 40},
      {avg_pool2d(2, {.padding = 1}), map(n), 40},
      {avg_pool2d({2, 1 + n.below(3)}), map(n), 40},
      {adaptive_avg_pool2d({2, 3}), map(n), 40},
      {local_response_norm(1 + n.below(8)), map(n), 60},
      {local_response_norm(5, {.groups = 2}), map(n, 2), 60},
      {local_response_norm(1 + n.below(6), {.within_map = true}), map(n), 60},
      {sequential({local_response_norm(5), max_pool2d(3, {.stride = 2})}), map(n), 60},
      {sequential({local_response_norm(1 + n.below(8), {.groups = 2}), max_pool2d({2, 3}, {.padding = 1})}),
       map(n, 2), 60},
      {sequential({conv2d(few, {.kernel_size = 1}), relu(), max_pool2d(2, {.stride = 1})}), map(n), 40},
      {sequential({batch_norm2d(), relu()}), map(n), 60},
      {batch_norm1d(), flat(n), 400},
      {batch_norm1d(), {1 + n.below(20), 1 + n.below(30)}, 200},
      {batch_norm2d(), map(n), 60},
      {batch_norm2d().frozen(), map(n), 60},
      {conv2d(few, {.kernel_size = 3}).frozen(), map(n), 40},
      {conv2d(31 + few, {.kernel_size = 3, .padding = 1}), filtered_map(n), 70, true},
      {conv2d(64 + 2 * few, {.kernel_size = 3, .padding = {0, 2}, .groups = 2}), filtered_map(n, 2), 70,
       true},
      {residual({linear(20), tanh()}, {linear(20)}), flat(n), 100},
      {parallel({sequential({}), conv2d(few, {.kernel_size = 1}), avg_pool2d(3, {.stride = 1, .padding = 1})},
                "concat"),
       map(n), 40},
      {parallel({linear(out), sequential({tanh(), linear(out)}), linear(out)}), flat(n), 100},
      {sequential({linear(out), gelu(), linear(3)}), flat(n), 100}};
  for (const LayerSpec& elementwise :
       {tanh(), relu(), leaky_relu(), sigmoid(), softplus(), gelu("tanh"), silu()})
    cases.push_back({elementwise, flat(n), 200});
  return cases;
}

// Sizes where scratch was too small for fewer samples than it was reserved for.
std::vector<Case> known() {
  using namespace bpnet;
  return {{local_response_norm(5, {.within_map = true}), {48, 55, 55}, 16},
          {batch_norm1d(), {16384}, 65},
          {batch_norm1d(), {3000}, 665},
          {batch_norm1d(), {262144}, 9},
          {linear(5000), {5000}, 5}};
}

template <class T>
void run(const Case& it, bpnet::Where where, Numbers& numbers) {
  if (it.winograd && where.backend != "reference" && where.precision == bpnet::Precision::kFull) {
    where.winograd = true;
  }
  const bpnet::NetworkOptions options{.seed = 1, .where = where};
  const std::size_t in = it.input.count();
  {  // predictions alone, whose blocks have other sizes
    bpnet::BasicNetwork<T> network(it.input, {it.layer}, options);
    const std::size_t rows = it.most + it.most / 2 + 3, out = network.output_shape().count();
    Array<T> x(rows * in, numbers), y(rows * out, numbers);
    for (const std::size_t count : {rows, std::size_t{1}, rows - 1})
      network.forward(x.data(), count, y.data());
    for (const std::string& inner : bpnet::layer_paths({it.layer})) {
      const std::size_t width = network.output_shape(inner).count();
      Array<T> inner_y(it.most * width, numbers);
      for (const std::size_t count : {std::size_t{1}, it.most}) {
        network.forward(x.data(), count, inner_y.data(), inner);
      }
    }
  }
  bpnet::BasicNetwork<T> network(it.input, {it.layer}, options);
  network.reserve(it.most);
  const std::size_t least = network.plan().least_batch.samples, out = network.output_shape().count();
  const std::uint64_t taken = bpnet::arena_allocations();
  std::uint64_t own = 0;
  for (const std::size_t count : batches(it.most, numbers)) {
    if (count < least) continue;
    Array<T> x(count * in, numbers), gradient(count * out, numbers), grad_x(count * in, numbers);
    own += 3;
    network.forward_training(x.data(), count, {1, count});
    network.backward(gradient.data(), grad_x.data(), count % 2 == 0);
  }
  if (bpnet::arena_allocations() != taken + own)
    bpnet::fail<bpnet::ValueError>(it.layer.type, " took memory");
}

}  // namespace

std::size_t sweep_layers(const Extent& extent) {
  Numbers numbers;
  std::vector<Case> cases = known();
  for (std::size_t round = 0; round < extent.pick(2, 40); ++round) {
    for (Case& each : draw(numbers)) cases.push_back(std::move(each));
  }
  std::set<std::string> missing;
  for (const std::string& type : bpnet::layer_types()) missing.insert(type);
  for (const Case& each : cases) missing.erase(each.layer.type);
  for (const std::string& type : missing) bpnet::fail<bpnet::ValueError>("no case of the layer ", type);
  std::size_t count = 0;
  for (const Target& target : targets()) {
    for (const Case& each : cases) {
      if (target.slow && each.input.count() * each.most > 20000) continue;  // minutes for the largest
      run<float>(each, target.where, numbers);
      if (!target.in_float && (extent.whole || count % 3 == 0)) run<double>(each, target.where, numbers);
      ++count;
    }
  }
  return count;
}

}  // namespace sweep
