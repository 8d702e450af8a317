#include "bpnet/core/memory/feed.h"

#include <algorithm>
#include <cstring>

#include "bpnet/core/memory/arena.h"
#include "bpnet/core/threads/interrupt.h"

namespace bpnet {
namespace {

class CopyingFeed final : public Feed {
 public:
  CopyingFeed(const Memory& memory, std::size_t bytes) : host_(bytes), there_(memory) {
    there_.reserve(bytes);
  }

  void* fill() override { return host_.data(); }
  const void* send(std::size_t bytes) override {
    write_to(there_.memory(), there_.data(), host_.data(), bytes);
    return there_.data();
  }

 private:
  std::vector<unsigned char> host_;
  Arena there_;
};

}  // namespace

std::unique_ptr<Feed> make_feed(const Memory& memory, std::size_t bytes) {
  std::unique_ptr<Feed> own = memory.make_feed(bytes);
  return own ? std::move(own) : std::make_unique<CopyingFeed>(memory, bytes);
}

void feed_to(const Memory& memory, Feed& feed, std::size_t piece, void* to, const void* host,
             std::size_t bytes) {
  Interruptible* const work = Interruptible::current();
  for (std::size_t done = 0; done < bytes; done += piece) {
    if (work && work->asks_to_stop()) return;
    const std::size_t count = std::min(piece, bytes - done);
    std::memcpy(feed.fill(), static_cast<const unsigned char*>(host) + done, count);
    memory.within(static_cast<unsigned char*>(to) + done, feed.send(count), count);
  }
}

}  // namespace bpnet
