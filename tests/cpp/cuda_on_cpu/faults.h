// While one exists, a fault first reports which thread of which kernel caused it.
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
