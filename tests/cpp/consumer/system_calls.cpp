#include "system_calls.h"

#include "allocations.h"

#if defined(__linux__) && !defined(SANITIZED)

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Strict mode allows read, write and this exit, which is not the C library's.
static void leave(int status) { syscall(SYS_exit, status); }

SystemCalls system_calls_of(const std::function<void()>& work) {
  constexpr int kNotAllowed = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) leave(kNotAllowed);
    work();
    leave(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return SystemCalls::kCannotTell;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) return SystemCalls::kCannotTell;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? SystemCalls::kNone : SystemCalls::kSome;
}

#else

SystemCalls system_calls_of(const std::function<void()>&) { return SystemCalls::kCannotTell; }

#endif
