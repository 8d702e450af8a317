#include "check.h"

#include <cstring>

namespace checks {

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

__global__ void set_number(int* to, int value) { *to = value; }
__global__ void add_number(int* to, int value) { *to += value; }

}  // namespace checks

// check_runtime: the cases, one per line, with the message where a case ends the process; check_runtime NAME:
// runs one.
int main(int count, char** arguments) {
  for (const checks::Case& c : checks::cases()) {
    if (count == 1) std::printf("%s\t%s\t%s\n", c.name, c.death ? "dies" : "ends", c.death ? c.death : "");
    if (count > 1 && std::strcmp(c.name, arguments[1]) == 0) return c.run(), 0;
  }
  return count == 1 ? 0 : 2;
}
