#include "entry.h"

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "death.h"
#include "devices.h"
#include "errors.h"

namespace cuda_on_cpu {
namespace {

constexpr const char kVariable[] = "BPNET_CUDA_ON_CPU_FAIL";

// "cudaMalloc:3" or "cudaMalloc:3:cudaErrorMemoryAllocation": the third call from here on.
struct Rule {
  std::string name;
  unsigned long long countdown;
  cudaError_t error;
};

thread_local cudaError_t last = cudaSuccess;

Rule read_rule(const std::string& text) {
  const std::size_t first = text.find(':'), second = text.find(':', first + 1);
  Rule rule{text.substr(0, first), 0, cudaErrorLaunchFailure};
  char* end = nullptr;
  if (first != std::string::npos) rule.countdown = std::strtoull(text.c_str() + first + 1, &end, 10);
  if (rule.countdown == 0 || (*end && *end != ':')) {
    die("%s: '%s' is not a function and which of its calls fails, as in cudaMalloc:3", kVariable,
        text.c_str());
  }
  if (second != std::string::npos) rule.error = error_named(text.substr(second + 1).c_str());
  return rule;
}

std::vector<Rule> read_rules(const char* text) {
  std::vector<Rule> rules;
  std::string rest = text ? text : "";
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    rules.push_back(read_rule(rest.substr(0, comma)));
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
  return rules;
}

std::vector<Rule>& rules() {
  static std::vector<Rule>& all = *new std::vector<Rule>(read_rules(std::getenv(kVariable)));
  return all;
}

std::map<std::string, unsigned long long>& counts() {
  static auto& all = *new std::map<std::string, unsigned long long>;
  return all;
}

cudaError_t injected(const char* name) {
  for (Rule& rule : rules()) {
    if (rule.name == name && rule.countdown > 0 && --rule.countdown == 0) return rule.error;
  }
  return cudaSuccess;
}

// A GPU's memory cannot be trusted after these, until the process ends.
bool is_sticky(cudaError_t error) {
  return error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure;
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;
  return mutex;
}

cudaError_t begin_call(const char* name, bool despite_failure) {
  ++counts()[name];
  const cudaError_t failed = injected(name);
  if (is_sticky(failed)) failure_of(current_device()) = failed;
  if (failed != cudaSuccess || despite_failure) return failed;
  return failure_of(current_device());
}

cudaError_t end_call(cudaError_t result) {
  if (result == cudaSuccess) result = failure_of(current_device());
  if (result != cudaSuccess && result != cudaErrorNotReady) last = result;
  return result;
}

cudaError_t last_error(bool reset) {
  const cudaError_t failure = failure_of(current_device());
  const cudaError_t result = failure != cudaSuccess ? failure : last;
  if (reset) last = cudaSuccess;
  return result;
}

bool begin_kernel(int device) {
  ++counts()["kernel"];
  const cudaError_t failed = injected("kernel");
  if (failed != cudaSuccess) failure_of(device) = failed;
  return failed == cudaSuccess;
}

}  // namespace cuda_on_cpu

cudaError_t cudaGetLastError() { return cuda_on_cpu::last_error(true); }
cudaError_t cudaPeekAtLastError() { return cuda_on_cpu::last_error(false); }

unsigned long long cuda_on_cpu_calls(const char* name) {
  const std::lock_guard<std::recursive_mutex> lock(cuda_on_cpu::runtime_mutex());
  const auto found = cuda_on_cpu::counts().find(name);
  return found == cuda_on_cpu::counts().end() ? 0 : found->second;
}

void cuda_on_cpu_fail(const char* rules) {
  const std::lock_guard<std::recursive_mutex> lock(cuda_on_cpu::runtime_mutex());
  cuda_on_cpu::rules() = cuda_on_cpu::read_rules(rules);
}
