// No *_workspace of any table shrinks as the batch grows: scratch for the largest suffices for every smaller
// one.
#include <bpnet/training/chain_batch.h>

#include <string>

#include "sweep.h"

namespace sweep {
namespace {

using Sizes = std::vector<std::size_t>;

struct Rising {
  std::string table;
  std::size_t most, count = 0;

  // bytes_of(n) for n = 1 … most
  template <class Bytes>
  void check(const std::string& what, const Bytes& bytes_of) {
    std::size_t largest = 0, at = 0;
    for (std::size_t n = 1; n <= most; ++n) {
      const std::size_t bytes = bytes_of(n);
      if (bytes < largest) {
        bpnet::fail<bpnet::ValueError>(table, ": ", what, " takes ", bytes, " bytes for ", n, ", but ",
                                       largest, " for ", at);
      }
      largest = bytes;
      at = n;
    }
    ++count;
  }
};

std::string text(const char* name, const Sizes& sizes) {
  std::string out = name;
  for (const std::size_t size : sizes) {
    out += ' ';
    bpnet::append_text(out, size);
  }
  return out;
}

template <class T>
void images(const bpnet::Kernels<T>& k, Rising& rising, const Extent& extent) {
  for (const std::size_t c : {1, 3, 16, 48, 96, 256}) {
    for (const std::size_t side : {1, 2, 4, 13, 27, 55}) {
      for (const std::size_t size : {1, 5, 31}) {
        for (const bool map : {false, true}) {
          rising.check(text(map ? "response within maps" : "response", {c, side, size}), [&](std::size_t n) {
            return k.local_response_workspace({n, side, side + 1, c, 1, size, map, 1e-4, 0.75, 1});
          });
        }
      }
      if (k.response_pool_workspace && side > 1) {
        const bpnet::WindowAxis pool{side, (side - 2) / 2 + 1, 2, 2, 1, 0};
        rising.check(text("response and pool", {c, side}), [&](std::size_t n) {
          return k.response_pool_workspace({n, side, side, c, 1, 5, false, 1e-4, 0.75, 1},
                                           {n, pool, pool, c});
        });
      }
      for (const std::size_t kernel : {1, 3, 5, 11}) {
        for (const std::size_t out : {1, 4, 64, 256}) {
          if (kernel > side + kernel / 2 * 2 || (!extent.whole && (out + c + side) % 3)) continue;
          const std::size_t stride = 1 + kernel / 4, before = kernel / 2;
          const bpnet::WindowAxis axis{side,  (side + 2 * before - kernel) / stride + 1, kernel, stride, 1,
                                       before};
          rising.check(text("convolution", {c, side, kernel, out}),
                       [&](std::size_t n) { return k.convolution_workspace({n, axis, axis, c, out, 1}); });
        }
      }
    }
  }
}

template <class T>
void chains(const bpnet::Kernels<T>& k, Rising& rising) {
  if (!k.chain_workspace) return;
  T number{};
  for (const std::size_t in : {1, 2, 4, 16, 30, 64, 100, 200}) {
    for (const std::size_t hidden : {1, 2, 8, 16, 30, 50, 64}) {
      for (const std::size_t out : {1, 2, 3, 10, 20}) {
        bpnet::ChainLayer<T> layers[2] = {};
        layers[0].in = in;
        layers[0].out = layers[1].in = hidden;
        layers[1].out = out;
        for (bpnet::ChainLayer<T>& layer : layers) layer.weight = layer.bias = &number;
        rising.check(text("chain", {in, hidden, out}), [&](std::size_t n) {
          bpnet::LossArgs<T> loss{};
          loss.rows = n;
          loss.columns = out;
          return k.chain_workspace({layers, 2, nullptr, nullptr, loss});
        });
      }
    }
  }
}

// An online kernel's scratch is requested for each call's samples; more of them never need less.
template <class T>
void online(const bpnet::Kernels<T>& k, Rising& rising) {
  T number{};
  for (const std::size_t in : {1, 8, 64, 784}) {
    for (const std::size_t hidden : {1, 8, 32, 128, 512}) {
      for (const std::size_t block : {0, 1, 7, 1024}) {
        bpnet::OnlineLayer<T> layers[2] = {};
        layers[0].in = in;
        layers[0].out = layers[1].in = hidden;
        layers[1].out = 10;
        for (bpnet::OnlineLayer<T>& layer : layers) layer.weight = layer.bias = &number;
        rising.check(text("online", {in, hidden, block}), [&](std::size_t n) {
          bpnet::OnlineArgs<T> args{};
          args.layers = layers;
          args.depth = 2;
          args.count = n;
          args.block = block;
          return k.online_workspace(args);
        });
      }
    }
  }
}

template <class T>
std::size_t check_table(const bpnet::Where& where, const Extent& extent) {
  const bpnet::Kernels<T>& k = bpnet::find_backend(where).kernels<T>();
  Rising rising{where.backend, extent.pick(2000, 20000)};
  rising.table += sizeof(T) == 4 ? " float" : " double";
  for (const std::size_t in : {1, 3, 8, 16, 31, 64, 100, 256, 784, 1000, 4096, 9216, 65536}) {
    for (const std::size_t out : {1, 2, 4, 10, 16, 30, 64, 100, 256, 1000, 4096}) {
      rising.check(text("linear", {in, out}),
                   [&](std::size_t n) { return k.linear_workspace({n, in, out}); });
    }
  }
  for (const std::size_t columns : {1, 3, 8, 16, 64, 128, 300, 512, 1000, 3000, 4096, 16384, 65536, 262144}) {
    rising.check(text("batch norm", {columns}),
                 [&](std::size_t n) { return k.batch_norm_workspace(n, columns); });
  }
  for (const std::size_t columns : {1, 2, 10, 1000, 4096, 100000}) {
    rising.check(text("loss", {columns}), [&](std::size_t n) { return k.loss_workspace(n, columns); });
  }
  rising.check("clip", [&](std::size_t n) { return k.clip_workspace(n * 1000); });
  images(k, rising, extent);
  chains(k, rising);
  online(k, rising);
  return rising.count;
}

}  // namespace

std::size_t sweep_workspaces(const Extent& extent) {
  std::size_t count = 0;
  for (const Target& target : targets()) {
    count += check_table<float>(target.where, extent);
    if (!target.in_float) count += check_table<double>(target.where, extent);
  }
  return count;
}

}  // namespace sweep
