#include <sys/syscall.h>
#include <unistd.h>

#include "bpnet/kernels/tile_permission.h"

namespace bpnet {

bool tiles_permitted() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h, since Linux 5.16
  static const bool permitted = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return permitted;
}

}  // namespace bpnet
