// The build without threads: the serial layer alone.
#include "bpnet/core/error.h"
#include "checks.h"

using namespace bpnet;

int main() {
  check(threading() == Threading::serial && !has_threads(), "auto is serial");
  for (const Threading layer : {Threading::automatic, Threading::serial}) check_layer(layer);
  check(num_threads() == 1, "there is one thread");
  check(
      message_of<DeviceError>([] { set_threading(Threading::pool); }) ==
          "set_threading: this bpnet was built without 'pool', it has auto, serial; choose one of these, or build "
          "it with -DBPNET_THREADS=ON",
      "the pool is refused");
  return finish();
}
