// While one lives, a read or write that ends the process first says which thread of which kernel made it.
#pragma once

#include <csignal>

namespace cuda_on_cpu {

class Faults {
 public:
  Faults();
  ~Faults();
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
};

}  // namespace cuda_on_cpu
