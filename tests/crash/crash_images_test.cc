// SPDX-License-Identifier: Apache-2.0
//
// Goal: after any crash, what the journal acknowledged is there, and after damage it is there or the damage is named.
// Method: images of all classes, of every moment of a few short lives; a slice here, all with scripts/crash_images.sh.
// The judge itself is tried on journals with one rule broken, each of which has to be caught within the slice.
#include <gtest/gtest.h>

#include <array>

#include "common/telemetry/log.h"
#include "tests/crash/journal_image.h"

namespace millrace::crash {
namespace {

constexpr std::size_t kSlice = 3000;

class CrashImages : public ::testing::Test {
protected:
    void SetUp() override { log_line::set_level(log_line::Level::kError); }
    void TearDown() override { log_line::set_level(log_line::Level::kInfo); }

    // The first image of the slice that finds fault with a journal that breaks a rule.
    static std::string first_violation(const log::JournalMutations& mutations) {
        const std::vector<JournalLife> lives = record_lives(mutations);
        const JournalImages images{lives, mutations};
        std::vector<ImageSpec> specs = images.all();
        JournalImages::shuffle(specs);
        specs.resize(std::min(specs.size(), kSlice));
        for (const ImageSpec& spec : specs) {
            const auto image = images.make(spec);
            if (!image) continue;
            const Verdict verdict = judge(*image, mutations);
            if (!verdict.violation.empty()) return std::string{name_of(spec.kind)} + ": " + verdict.violation;
        }
        return {};
    }
    static void expect_caught(const log::JournalMutations& mutations) {
        const std::string violation = first_violation(mutations);
        EXPECT_NE(violation, "");
        std::fprintf(stderr, "%s\n", violation.c_str());
    }
};

TEST_F(CrashImages, KeepThePromisesOfTheJournal) {
    const std::vector<JournalLife> lives = record_lives({});
    ASSERT_EQ(lives.size(), 4u);
    const JournalImages images{lives, {}};
    std::vector<ImageSpec> specs = images.all();
    JournalImages::shuffle(specs);
    ASSERT_GT(specs.size(), kSlice);
    specs.resize(kSlice);
    std::array<int, static_cast<std::size_t>(ImageClass::kCount)> tried{};
    int refused = 0;
    for (const ImageSpec& spec : specs) {
        SCOPED_TRACE(testing::Message() << name_of(spec.kind) << " of '" << lives[spec.life].name << "' after "
                                        << spec.point << " events, " << spec.a << " " << spec.b);
        const auto image = images.make(spec);
        ASSERT_TRUE(image.has_value());
        const Verdict verdict = judge(*image, {});
        EXPECT_EQ(verdict.violation, "");
        ++tried[static_cast<std::size_t>(spec.kind)];
        refused += verdict.refused ? 1 : 0;
    }
    for (const int count : tried) EXPECT_GT(count, 0) << "a class without an image";
    EXPECT_GT(refused, 100) << "damage that is never noticed";
}

TEST_F(CrashImages, CatchAcknowledgingBeforeTheSync) { expect_caught({.acknowledge_before_sync = true}); }
TEST_F(CrashImages, CatchSkippingTheRecordChecksum) { expect_caught({.skip_record_checksum = true}); }
TEST_F(CrashImages, CatchSkippingTheDirectorySync) { expect_caught({.skip_directory_sync = true}); }
TEST_F(CrashImages, CatchTrustingAnUnprovenTail) { expect_caught({.trust_unproven_tail = true}); }
TEST_F(CrashImages, CatchRetiringFilesBeforeItIsDurable) { expect_caught({.retire_before_durable = true}); }

}  // namespace
}  // namespace millrace::crash
