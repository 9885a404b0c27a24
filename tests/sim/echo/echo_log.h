// SPDX-License-Identifier: Apache-2.0
//
// One replica's durable state: the highest epoch it promised to follow, and its records with the epoch of the leader
// that last gave it a whole log. Everything that a call returns as done is durable.
//
// Files: /echo/log (header, then records, appended in place) and /echo/promise; each is replaced as a whole by writing
// a new file, syncing it, renaming it over the old one and syncing the directory. A restart finds in the cache what
// may never have been synced, and cannot tell: it believes what checks out and then writes it anew.
// Thread rule: executor-confined; one call at a time.
#pragma once

#include <memory>
#include <string>

#include "common/runtime/runtime.h"
#include "tests/sim/echo/echo_wire.h"

namespace millrace::sim::echo {

class Log {
public:
    static constexpr const char* kPath = "/echo/log";

    static Task<Result<std::unique_ptr<Log>>> open(Runtime runtime, Bugs bugs);

    std::uint64_t promised() const { return promised_; }
    std::uint64_t epoch() const { return epoch_; }
    const Records& records() const { return records_; }
    std::uint64_t last() const { return records_.size(); }

    // kNoSpace: nothing changed, try again. Any other error: the process must end and begin anew.
    Task<Result<void>> promise(std::uint64_t epoch);
    Task<Result<void>> replace(std::uint64_t epoch, Records records);
    // REQUIRES: they follow last().
    Task<Result<void>> append(Records records);

    // No call may be made afterwards.
    void close() { closed_ = true; }

    // What checks out of a log file's bytes: for the end of a test too.
    struct Contents {
        std::uint64_t epoch = 0;
        Records records;
        std::uint64_t end = 0;  // of the last good record
    };
    static Contents parse(Bytes bytes);

private:
    Log(Runtime runtime, Bugs bugs) : runtime_{runtime}, bugs_{bugs} {}
    Task<Result<void>> recover();
    Task<Result<Bytes>> read_file(std::string path);
    // The new file, open.
    Task<Result<std::unique_ptr<File>>> write_file(std::string path, ByteBuffer bytes);

    Runtime runtime_;
    Bugs bugs_;
    std::unique_ptr<DirectoryLock> lock_;
    std::unique_ptr<File> file_;
    std::uint64_t end_ = 0;
    std::uint64_t promised_ = 0;
    std::uint64_t epoch_ = 0;
    Records records_;
    bool closed_ = false;
    bool busy_ = false;
};

}  // namespace millrace::sim::echo
