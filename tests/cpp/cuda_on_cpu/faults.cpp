#include "faults.h"

#include <cstdio>

#include "memory.h"
#include "threads.h"

namespace cuda_on_cpu {
namespace {

struct sigaction before;

// Returns to the instruction, which fails again, then without this handler.
void say(int, siginfo_t* info, void*) {
  char text[256];
  sigaction(SIGSEGV, &before, nullptr);
  std::fprintf(stderr, "cuda-on-cpu: the address %p cannot be touched: %s\n  by %s\n", info->si_addr,
               describe(info->si_addr, text, sizeof text), running_thread().c_str());
}

}  // namespace

Faults::Faults() {
  struct sigaction action = {};
  action.sa_sigaction = say;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before);
}

Faults::~Faults() { sigaction(SIGSEGV, &before, nullptr); }

}  // namespace cuda_on_cpu
