// Bytes as a string (RFC 4648, section 4), for the few arrays that a JSON description holds.
#pragma once

#include <string>
#include <string_view>

namespace bpnet {

std::string to_base64(std::string_view bytes);
std::string from_base64(std::string_view text);  // throws a FileFormatError for anything else

}  // namespace bpnet
