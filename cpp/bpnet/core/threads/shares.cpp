#include "bpnet/core/threads/shares.h"

#include <algorithm>

#include "bpnet/core/threads/interrupt.h"

namespace bpnet {

void Shares::deal(std::size_t count, std::size_t threads) {
  count_ = std::min(threads, kMost);
  for (std::size_t s = 0; s < count_; ++s) {
    share_[s].next.store(s * count / count_, std::memory_order_relaxed);
    share_[s].end = (s + 1) * count / count_;
  }
}

std::size_t Shares::take(std::size_t thread, void (*function)(std::size_t, void*), void* argument) {
  Interruptible* const work = Interruptible::current();  // the caller's; the other threads have none
  std::size_t taken = 0;
  for (std::size_t s = 0; s < count_; ++s) {
    Share& share = share_[(thread + s) % count_];
    std::size_t index;
    while ((index = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end) {
      if (work && work->asks_to_stop()) {
        for (Share& each : share_) each.next.store(each.end, std::memory_order_relaxed);
      } else {
        function(index, argument);
        ++taken;
      }
    }
  }
  return taken;
}

}  // namespace bpnet
