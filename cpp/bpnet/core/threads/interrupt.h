// Long work that a waiting caller may interrupt, also within one layer.
#pragma once

#include <cstddef>
#include <functional>

namespace bpnet {

// Whether the work should end. It is called on the thread that does the work, and must not throw.
using StopQuestion = std::function<bool()>;

// While one exists, parallel_for on its thread calls `wanted` between its chunks, about ten times a second.
// Once that returned true, chunks that have not started are skipped, in every parallel_for of the thread
// until the object is destroyed: the results are garbage, and check() throws. Not for work on state that must
// remain consistent. Its owner must call check() before it is destroyed, since `wanted` may have consumed the
// signal.
class Interruptible {
 public:
  explicit Interruptible(const StopQuestion& wanted);  // empty: never interrupted. It must outlive the object
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  // Throws Interrupted when the work should end; checks when it is time.
  void check();

  static Interruptible* current();  // the innermost on this thread, or null
  bool stopped() const { return stopped_; }
  bool asks_to_stop();  // stopped(), after checking when it is time

 private:
  const StopQuestion& wanted_;
  Interruptible* const outer_;
  bool stopped_;
};

// For tests, which must not depend on a clock: `is_time` decides at each opportunity, on the working thread,
// whether to check. Null: the clock again.
void replace_question_clock(bool (*is_time)()) noexcept;

// function(index, argument) for 0 … count−1 in order, with a check of this thread's Interruptible between
// them.
void run_serially(std::size_t count, void (*function)(std::size_t index, void* argument), void* argument);

}  // namespace bpnet
