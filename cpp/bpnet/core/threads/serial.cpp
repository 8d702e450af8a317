// Everything runs on the caller's thread.
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/core/threads/layer.h"

namespace bpnet {

const ThreadingLayer* serial_layer() {
  static constexpr ThreadingLayer layer{
      .kind = Threading::serial,
      .start = [](int) {},
      .run = [](std::size_t count, ThreadingLayer::Function function, void* argument, int,
                Waits*) { run_serially(count, function, argument); },
  };
  return &layer;
}

}  // namespace bpnet
