#include "bpnet/core/threads/waits.h"

#include <algorithm>

namespace bpnet {
namespace {

// What is no sign of a busy machine: that another thread is still at a few chunks, or is being woken.
constexpr double kWaitPerChunk = 4, kWaking = 50e-6;
// Of one region no more than this counts, so that a process that was stopped for a while has one late region.
constexpr double kMostPerRegion = 5e-3;
// So much of the time in regions may be lost for ever. What is lost beyond it adds up to kTooMuch, over
// kTooMany regions at least, or is forgotten.
constexpr double kTolerated = 1.0 / 8, kTooMuch = 20e-3;
constexpr int kTooMany = 8;

std::atomic<void (*)(Region&)> replacement{nullptr};

}  // namespace

void replace_region_times(void (*replace)(Region&)) noexcept { replacement.store(replace); }

void Waits::add(Region region) {
  if (const auto replace = replacement.load(std::memory_order_relaxed)) replace(region);
  if (forgotten_.exchange(false)) lost_ = late_ = 0;
  if (region.chunks == 0) return;  // nobody knows how long one takes
  const double chunk = region.work / static_cast<double>(region.chunks);
  const double late = std::min(region.wait - kWaitPerChunk * chunk - kWaking, kMostPerRegion);
  if (late > 0) {
    lost_ += late;
    ++late_;
  }
  lost_ -= kTolerated * (region.work + std::min(region.wait, kMostPerRegion));
  if (lost_ <= 0) lost_ = late_ = 0;
  if (late_ >= kTooMany && lost_ >= kTooMuch) too_long_.store(true, std::memory_order_relaxed);
}

void Waits::forget() {
  forgotten_.store(true);
  too_long_.store(false);
}

}  // namespace bpnet
