// SPDX-License-Identifier: Apache-2.0
//
// What the library says goes to our log lines instead of stderr. Any thread.
#pragma once

#include <string>

namespace millrace::rpc {

// Once per process; later calls do nothing.
void redirect_library_log();

// Collects what the library reports as errors on this thread while the object lives: the only way
// to learn why a port could not be bound.
class LibraryErrors {
public:
    LibraryErrors();
    ~LibraryErrors();
    LibraryErrors(const LibraryErrors&) = delete;
    LibraryErrors& operator=(const LibraryErrors&) = delete;

    const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace millrace::rpc
