// The cases, by name. Each ends the process where it says so.
#pragma once

#include <map>
#include <string>

namespace cases {

using Cases = std::map<std::string, void (*)()>;

const Cases& owned();        // arrays of networks and trainers that their interfaces return
const Cases& temporary();    // arrays that live within a call, or that no interface returns
const Cases& host_arrays();  // kernels and copies that are given an array of the host

// Every block of the memory while a convolutional network is trained. Gives their number; fails where one
// can be read or written at its first or last byte, or cannot be read by a copy.
std::size_t sweep_blocks();

}  // namespace cases
