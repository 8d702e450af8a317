#include "bpnet/core/threads/waits.h"

#include <algorithm>

namespace bpnet {
namespace {

// Another thread that still works on a few chunks, or is being woken, does not indicate a busy machine.
constexpr double kWaitPerChunk = 4, kWaking = 200e-6;
// One region counts no more than this: a process that was stopped for minutes has a single late region.
constexpr double kMostPerRegion = 10e-3;
// This part of the time in regions may be lost again and again. Losses beyond it add up until they are
// kTooMuch, in kTooMany regions at least; a share of the time that is smaller pays them off.
constexpr double kTolerated = 1.0 / 20, kTooMuch = 25e-3;
constexpr int kTooMany = 5;

std::atomic<void (*)(Region&)> replacement{nullptr};

}  // namespace

void replace_region_times(void (*replace)(Region&)) noexcept { replacement.store(replace); }

void Waits::add(Region region) {
  if (const auto replace = replacement.load(std::memory_order_relaxed)) replace(region);
  if (forgotten_.load() && forgotten_.exchange(false)) lost_ = late_ = 0;
  if (region.chunks == 0) return;  // how long one takes is unknown
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
