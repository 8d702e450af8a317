// The cases, by name. A case ends the process where documented.
#pragma once

#include <map>
#include <string>

namespace cases {

using Cases = std::map<std::string, void (*)()>;

const Cases& owned();        // arrays of networks and trainers that their interfaces return
const Cases& temporary();    // arrays that exist within a call, or that no interface returns
const Cases& host_arrays();  // kernels and copies with an array in the host's memory

// Every block of the memory while a convolutional network is trained. Returns their number; fails where one
// can be read or written at its first or last byte, or cannot be read by a copy.
std::size_t sweep_blocks();

}  // namespace cases
