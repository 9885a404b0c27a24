// SPDX-License-Identifier: Apache-2.0
//
// The slice of fuzzing that every test run does, for what comes from disks: the corpus, its mutations, random bytes.
#include <gtest/gtest.h>

#include "common/telemetry/log.h"
#include "tests/fuzz/corpus.h"
#include "tests/fuzz/entries.h"

namespace millrace::fuzz {
namespace {

const Entries& decoders() {
    static const Entries kEntries{{"container_entries", container_entries},
                                  {"container_operation", container_operation},
                                  {"journal_records", journal_records},
                                  {"marks", marks},
                                  {"snapshot", snapshot}};
    return kEntries;
}

// In the simulator: some thousand times slower than a decoder alone.
const Entries& whole_readers() {
    static const Entries kEntries{{"controller_records", controller_records},
                                  {"controller_requests", controller_requests},
                                  {"journal_directory", journal_directory},
                                  {"metadata_rows", metadata_rows},
                                  {"object", object}};
    return kEntries;
}

class DiskFuzz : public ::testing::Test {
protected:
    // Damage is what this is about; a line for each would be all that is seen.
    void SetUp() override { log_line::set_level(log_line::Level::kError); }
    void TearDown() override { log_line::set_level(log_line::Level::kInfo); }
};

TEST_F(DiskFuzz, CorpusIsWhatTheProgramMakes) { expect_seeds_are_kept(disk_seeds()); }

TEST_F(DiskFuzz, CorpusIsSurvivedAndSoAreItsMutations) {
    run_corpus(decoders(), 1000);
    run_corpus(whole_readers(), 20);
}

TEST_F(DiskFuzz, RandomBytesAreSurvived) {
    run_random_bytes(decoders(), 10'000);
    run_random_bytes(whole_readers(), 100);
}

}  // namespace
}  // namespace millrace::fuzz
