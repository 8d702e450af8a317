// Everything that writes into an arena, in a build with pages around each that fault when touched: a
// write beyond one ends the process.
//
//   sweep layers|chains|workspaces short|whole     prints how much was swept
//   sweep overrun BYTES                            shows that the pages exist: it must not return
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include "sweep.h"

namespace sweep {

std::vector<std::size_t> batches(std::size_t most, Numbers& numbers) {
  std::vector<std::size_t> sizes;
  for (std::size_t n = 1; n <= most; n = n + n / 3 + 1) sizes.push_back(n);
  sizes.push_back(most);
  for (std::size_t n = most; n > 1; n -= n / 4 + 1) sizes.push_back(n - 1);
  for (int i = 0; i < 6; ++i) sizes.push_back(1 + numbers.below(most));
  return sizes;
}

}  // namespace sweep

namespace {

void overrun(std::size_t bytes) {
  bpnet::Arena arena;
  arena.reserve(1000);
  volatile unsigned char* const end = arena.data() + bpnet::align_up(1000);
  end[bytes - 1] = 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "", how = count > 2 ? arguments[2] : "";
  const std::map<std::string, std::size_t (*)(const sweep::Extent&)> parts{
      {"layers", sweep::sweep_layers},
      {"chains", sweep::sweep_chains},
      {"workspaces", sweep::sweep_workspaces}};
  const auto part = parts.find(what);
  try {
    if (what == "overrun") overrun(std::strtoull(how.c_str(), nullptr, 10));
    if (part == parts.end() || (how != "short" && how != "whole")) return 2;
    std::printf("%zu\n", part->second({how == "whole"}));
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    return 1;
  }
  return 0;
}
