// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "cli/command.h"

int main(int argc, char** argv) { return millrace::cli::run({argv + 1, argv + argc}); }
