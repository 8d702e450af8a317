// Whole files: read at once, written so that a crash leaves the old file or the new one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bpnet {

// Paths are UTF-8. Each throws a FileError that names the path and the system's reason. Only regular files
// are read.
std::vector<unsigned char> read_file(const std::string& path);

// Writes the parts one after another to a temporary file beside `path`, flushes it to the disk and
// renames it.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

// The CRC-32 of zlib and PNG; pass the last result to continue.
std::uint32_t crc32(std::string_view bytes, std::uint32_t before = 0);

}  // namespace bpnet
