// Long work that a waiting caller may end early, also during one layer.
#pragma once

#include <cstddef>
#include <functional>

namespace bpnet {

// Whether the work is to end. It is asked on the thread that does the work, and must not throw.
using StopQuestion = std::function<bool()>;

// While one lives, parallel_for on its thread asks `wanted` between its chunks, about ten times a second.
// Once that said yes, chunks that have not begun are left out, in every parallel_for of the thread until the
// object is destroyed: what was being computed is garbage, and check() says so. Not for work on what must
// stay whole. Who makes one calls check() before it is destroyed: the question may have taken the signal.
class Interruptible {
 public:
  explicit Interruptible(const StopQuestion& wanted);  // empty: never asked. It must outlive the object
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  // Throws Interrupted when the work is to end; asks when it is time.
  void check();

  static Interruptible* current();  // the innermost on this thread, or null
  bool stopped() const { return stopped_; }
  bool asks_to_stop();  // stopped(), after asking when it is time

 private:
  const StopQuestion& wanted_;
  Interruptible* const outer_;
  bool stopped_;
};

// For tests, which no clock may decide: instead `is_time` says at each opportunity, on the thread that
// works, whether the question is asked. Null: the clock again.
void replace_question_clock(bool (*is_time)()) noexcept;

// function(index, argument) for 0 … count−1 in turn, between which an Interruptible of this thread is asked.
void run_in_turn(std::size_t count, void (*function)(std::size_t index, void* argument), void* argument);

}  // namespace bpnet
