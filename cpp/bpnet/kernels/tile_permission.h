// The tiles of AMX are 8 KB that the system saves for a thread: Linux wants to be asked first.
#pragma once

namespace bpnet {

// Asks once for all threads of the process. False where the system has no such question.
bool tiles_permitted();

}  // namespace bpnet
