// The tiles of AMX are 8 KB that the system saves per thread: on Linux a process must request them.
#pragma once

namespace bpnet {

// Requests them once for all threads of the process. False where the system has no such request.
bool tiles_permitted();

}  // namespace bpnet
