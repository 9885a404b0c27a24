// SPDX-License-Identifier: Apache-2.0
//
// The epochs of a stream as a picture: key ranges downwards, epochs to the right, one box a segment. The box of a
// segment that goes on is open to the right, and one that began before the first epoch shown is open to the left.
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "millrace/stream_manager.h"

namespace millrace::cli {

struct PictureFrame {
    std::size_t columns = 80;  // at least 20 are used
    std::size_t lines = 40;    // at least 8 are used
    bool unicode = true;       // box-drawing characters; otherwise + - |
    bool sealed = false;       // the boxes of the last epoch end there
};

// `epochs` are the newest ones of the stream, oldest first, each of which tiles the key space. The newest of those that
// fit are shown, and rows are left out evenly where there are too many; a line below the picture says either.
// REQUIRES: at least one epoch.
std::string draw_epochs(const std::vector<EpochDescription>& epochs, const PictureFrame& frame);

}  // namespace millrace::cli
