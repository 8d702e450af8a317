#include "bpnet/layers/window.h"

#include "bpnet/core/error.h"

namespace bpnet {

void check_map(const char* operation, const Shape& input) {
  if (input.rank() != 3) {
    fail<ShapeError>(operation, ": input has shape ", input, ", (channels, height, width) is needed");
  }
}

WindowAxis sliding_axis(const char* operation, const char* extent, const AxisOptions& o) {
  const std::size_t padded = checked_sum(operation, checked_sum(operation, o.in, o.before), o.after);
  const std::size_t reach = checked_sum(operation, checked_product(operation, o.dilation, o.kernel - 1), 1);
  if (reach > padded) {
    fail<ShapeError>(operation, ": input is ", o.in, " ", extent, ", ", padded,
                     " with its padding, the kernel ", reach, o.dilation > 1 ? " with its dilation" : "",
                     ": the kernel must not be larger than the padded input");
  }
  const std::size_t span = padded - reach;
  std::size_t steps = span / o.stride;
  // A window that has only padding beyond the map would have no inputs.
  if (o.ceil && span % o.stride != 0 && (steps + 1) * o.stride < o.in + o.before) ++steps;
  return {o.in, steps + 1, o.kernel, o.stride, o.dilation, o.before};
}

}  // namespace bpnet
