#include <bpnet/kernels/guarded/memory.h>
#include <bpnet/kernels/tables.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "cases.h"
#include "models.h"

namespace cases {
namespace {

// Whether a child that does this ends by SIGSEGV.
template <class Act>
bool dies(const Act& act) {
  const pid_t child = fork();
  if (child == 0) {
    act();
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
         WTERMSIG(status) == SIGSEGV;
}

void check(const bpnet::guarded::Block& block) {
  const auto* const first = static_cast<const unsigned char*>(block.begin);
  for (const unsigned char* at : {first, first + block.bytes - 1}) {
    if (!dies([&] { static_cast<void>(*static_cast<const volatile unsigned char*>(at)); })) {
      bpnet::fail<bpnet::ValueError>("the host has read a block of ", block.bytes, " bytes");
    }
    if (!dies([&] { *const_cast<volatile unsigned char*>(at) = 1; })) {
      bpnet::fail<bpnet::ValueError>("the host has written a block of ", block.bytes, " bytes");
    }
    unsigned char byte = 0;
    bpnet::read_from(bpnet::guarded_memory(), &byte, at, 1);
  }
}

std::size_t checked = 0;
std::string left = "dropout_mask batch_norm_backward update";  // kernels before which all blocks are checked

void check_all() {
  for (const bpnet::guarded::Block& block : bpnet::guarded::blocks()) {
    check(block);
    ++checked;
  }
}

// One kernel of the forward pass, one of the backward pass and the update.
void watch(const char* kernel, const char*, const void*) {
  const std::size_t at = left.find(kernel);
  if (at == std::string::npos) return;
  left.erase(at, std::string(kernel).size());
  bpnet::guarded::set_watch(nullptr);
  check_all();
  bpnet::guarded::set_watch(watch);
}

}  // namespace

std::size_t sweep_blocks() {
  const Samples<float> samples(2 * 6 * 6);
  bpnet::Network network = images(kGuarded);
  bpnet::Trainer trainer(network, kLabelled, kAdam);
  const bpnet::Dataset<float> data(samples.labelled());
  bpnet::guarded::set_watch(watch);
  trainer.run(data, {.batch_size = kBatch, .shuffle = false});
  bpnet::guarded::set_watch(nullptr);
  if (left.find_first_not_of(' ') != std::string::npos) bpnet::fail<bpnet::ValueError>("never met: ", left);
  bpnet::evaluate(network, kLabelled, data, 0, kRows);
  check_all();
  return checked;
}

}  // namespace cases
