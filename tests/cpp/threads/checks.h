// What every build of core/threads promises.
#pragma once

#include <functional>
#include <string>

#include "bpnet/core/threads/parallel.h"

void check(bool holds, const std::string& what);
int finish();  // prints "ok" and returns 0, or 1 where a check failed

// The message of the Kind that the call throws.
template <class Kind>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Kind& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Every chunk is executed once, also nested, from several threads at once, and by `threads` threads exactly.
void check_layer(bpnet::Threading layer);
void check_names();
void check_waits();
