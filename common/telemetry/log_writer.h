// SPDX-License-Identifier: Apache-2.0
//
// Writes log lines in the background: whoever logs only queues. The queue is bounded; when stderr takes lines too slowly
// further ones are dropped and counted, and a line says how many once there is room. Without a background, which is how
// a process begins, whoever logs writes. Any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/runtime/blocking_pool.h"

namespace millrace::log_line {

inline constexpr std::size_t kQueueBytesMax = 1024 * 1024;
// Lines of level error may use as much again.
inline constexpr std::size_t kErrorReserveBytes = 1024 * 1024;

// From now on lines are written on `pool`, one job at a time. It has a thread for this alone, or a slow stderr would
// hold up its other work, and lives until stop_background() has returned true. An abort() waits a moment for what is queued.
void write_in_background(BlockingPool& pool);
// Waits until everything queued so far is written, at most `patience`. False: it is not, stderr is stuck.
bool flush(std::chrono::milliseconds patience);
// As flush(); when it returns true lines are written by who logs again and the pool is not used any more. When false,
// they still go to the pool, whose threads cannot be joined either: leave the process at once.
bool stop_background(std::chrono::milliseconds patience);

}  // namespace millrace::log_line
