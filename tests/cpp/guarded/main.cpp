// A backend's memory: between two kernels an access of the host to an array ends the process, and so does a
// kernel that gets an array in the host's memory.
//
//   guarded list arrays|host          names of cases, a line each
//   guarded read|write CASE           it must not come back
//   guarded copy CASE                 read_from() gives the numbers that should be there: "equal"
//   guarded host CASE                 it must not come back
//   guarded blocks                    touches every block during a training; prints how many
#include <cstdio>
#include <exception>
#include <string>

#include "cases.h"
#include "touch.h"

namespace {

int list(const cases::Cases& all) {
  for (const auto& [name, run] : all) std::printf("%s\n", name.c_str());
  return 0;
}

int run(const cases::Cases& all, const std::string& name) {
  const auto found = all.find(name);
  if (found == all.end()) return 2;
  found->second();
  std::printf("the array was never met\n");
  return 1;
}

cases::Cases arrays() {
  cases::Cases all = cases::owned();
  all.insert(cases::temporary().begin(), cases::temporary().end());
  return all;
}

int start(const std::string& what, const std::string& name) {
  if (what == "list") return list(name == "host" ? cases::host_arrays() : arrays());
  if (what == "host") return run(cases::host_arrays(), name);
  if (what == "blocks") {
    std::printf("%zu\n", cases::sweep_blocks());
    return 0;
  }
  cases::way = what == "read" ? cases::Way::kRead : what == "write" ? cases::Way::kWrite : cases::Way::kCopy;
  return run(arrays(), name);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return start(count > 1 ? arguments[1] : "", count > 2 ? arguments[2] : "");
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    return 1;
  }
}
