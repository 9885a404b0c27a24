// SPDX-License-Identifier: Apache-2.0
//
// The tables of our protocol pages, as tests read them: which messages, fields and enum values a page says there
// are. Any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::proto::testing {

// "name 3: repeated Type (one of)"
struct PageField {
    std::string name;
    int number = 0;
    std::string type;  // as on the page: "int64", "map<int64,int64>", "Status"
    bool repeated = false;
    bool one_of = false;
};

struct PageMethod {
    std::string name, request, reply, needs, token, offered;
};

struct Page {
    std::map<std::string, std::vector<PageField>> messages;  // by name with what it lies in: "A.B"
    std::map<std::string, std::map<std::string, int>> enums;
    std::vector<PageMethod> methods;
    std::vector<std::pair<std::string, std::string>> examples;  // name of the message, hex digits
    std::vector<std::string> mistakes;                          // lines that cannot be read
};

// Of a file in the source tree, whole; empty when it cannot be read.
std::string read_source(const std::string& path);
Page parse_page(std::string_view text);

}  // namespace millrace::proto::testing
