#pragma once

#include <functional>

enum class SystemCalls { kNone, kSome, kCannotTell };

// Runs the work in a child process that the kernel ends at its first system call. Linux only.
SystemCalls system_calls_of(const std::function<void()>& work);
