// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc/library.h"

#include <grpc/support/log.h>

#include <mutex>

#include "common/telemetry/log.h"

namespace millrace::rpc {

namespace {

constexpr std::size_t kCollectedBytesMax = 4096;

thread_local std::string* collected_here = nullptr;

void on_library_log(gpr_log_func_args* args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR && collected_here != nullptr) {
        if (collected_here->size() < kCollectedBytesMax) collected_here->append(args->message).append("\n");
        return;
    }
    // Its errors are mostly about single connections, which our callers see as failed calls; what it
    // aborts for is among them, too.
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
        MR_LOG_WARN("grpc library", {"message", args->message}, {"file", args->file}, {"line", args->line});
        return;
    }
    MR_LOG_DEBUG("grpc library", {"message", args->message}, {"file", args->file}, {"line", args->line});
}

}  // namespace

void redirect_library_log() {
    static std::once_flag once;
    std::call_once(once, [] { gpr_set_log_function(&on_library_log); });
}

LibraryErrors::LibraryErrors() { collected_here = &text_; }
LibraryErrors::~LibraryErrors() { collected_here = nullptr; }

}  // namespace millrace::rpc
