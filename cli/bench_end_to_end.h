// SPDX-License-Identifier: Apache-2.0
//
// How long an event takes from its write call to its acknowledgement, and to a reader that waits for it at the stream's tail.
#pragma once

#include "cli/bench.h"

namespace millrace::cli {

// One event at a time, by the first writer: the next is written when the one before has been acknowledged and read.
// Adds both times to the report.
Result<void> measure_end_to_end(const BenchArguments& arguments, const BenchLoad& load, BenchWriters& writers, BenchReport& report);

}  // namespace millrace::cli
