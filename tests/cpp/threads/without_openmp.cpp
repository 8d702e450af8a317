// The build without OpenMP: the pool and the serial layer.
#include "bpnet/core/error.h"
#include "checks.h"

using namespace bpnet;

int main() {
  check_names();
  check(threading() == Threading::pool && has_threads(), "auto is the pool");
  for (const Threading layer : {Threading::automatic, Threading::pool, Threading::serial}) check_layer(layer);
  check(
      message_of<DeviceError>([] { set_threading(Threading::openmp); }) ==
          "set_threading: this bpnet was built without 'openmp', it has auto, pool, serial; choose one of these, or "
          "build it with -DBPNET_OPENMP=ON",
      "OpenMP is refused");
  check(threading() == Threading::serial, "what is refused changes nothing");
  return finish();
}
