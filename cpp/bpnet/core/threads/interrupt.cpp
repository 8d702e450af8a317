#include "bpnet/core/threads/interrupt.h"

#include <atomic>
#include <chrono>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenQuestions{100};

thread_local Interruptible* innermost = nullptr;

bool enough_time_has_passed() {
  // Outlives the objects, so that a long sequence of short ones can be interrupted too, and a short one costs
  // no check.
  thread_local Clock::time_point last_question = Clock::time_point::min();
  const Clock::time_point now = Clock::now();
  if (now < last_question + kBetweenQuestions) return false;
  last_question = now;
  return true;
}

std::atomic<bool (*)()> is_time{&enough_time_has_passed};

}  // namespace

void replace_question_clock(bool (*question)()) noexcept {
  is_time.store(question ? question : &enough_time_has_passed);
}

Interruptible::Interruptible(const StopQuestion& wanted)
    : wanted_(wanted), outer_(innermost), stopped_(outer_ && outer_->stopped_) {
  if (wanted_) innermost = this;
}

Interruptible::~Interruptible() { innermost = outer_; }

Interruptible* Interruptible::current() { return innermost; }

bool Interruptible::asks_to_stop() {
  if (stopped_ || !wanted_) return stopped_;
  if (is_time.load(std::memory_order_relaxed)()) stopped_ = wanted_();
  return stopped_;
}

void Interruptible::check() {
  if (asks_to_stop()) fail<Interrupted>("the work was interrupted before its end");
}

void run_serially(std::size_t count, void (*function)(std::size_t, void*), void* argument) {
  Interruptible* const work = count > 1 ? innermost : nullptr;
  for (std::size_t index = 0; index < count; ++index) {
    if (work && work->asks_to_stop()) return;
    function(index, argument);
  }
}

}  // namespace bpnet
