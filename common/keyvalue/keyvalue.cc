// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

std::string end_of_prefix(std::string_view prefix) {
    std::string end{prefix};
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

}  // namespace millrace::keyvalue
