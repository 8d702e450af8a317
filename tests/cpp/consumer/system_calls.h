#pragma once

#include <functional>

enum class SystemCalls { kNone, kSome, kCannotTell };

// Does the work in a child process that the kernel ends at its first system call. Only Linux can tell.
SystemCalls system_calls_of(const std::function<void()>& work);
