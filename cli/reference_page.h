// SPDX-License-Identifier: Apache-2.0
//
// docs/cli-reference.md, from the commands themselves. Pure.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace millrace::cli {

std::string reference_page(const CLI::App& root);

}  // namespace millrace::cli
