// SPDX-License-Identifier: Apache-2.0
//
// The text of a config file: lines "name = value", blank lines, and comments from a '#' at a line's beginning or after a
// blank to its end. A value may stand in double quotes, with \" and \\ for those two. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace millrace::config {

struct FileEntry {
    std::string name;
    std::string value;
    std::size_t line = 0;  // from 1
};

// In the file's order, each name once. Errors begin with "path:line: " and say what would be right.
Result<std::vector<FileEntry>> parse_config_file(const std::string& path, std::string_view contents);

}  // namespace millrace::config
