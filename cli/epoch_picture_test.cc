// SPDX-License-Identifier: Apache-2.0
#include "cli/epoch_picture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

namespace millrace::cli {
namespace {

// A stream of equal segments that can be split and merged.
class History {
public:
    explicit History(std::int32_t segments) {
        EpochDescription first;
        for (std::int32_t i = 0; i < segments; ++i) {
            first.segments.push_back({SegmentId::of(next_++, first.epoch),
                                      {static_cast<double>(i) / segments, static_cast<double>(i + 1) / segments}});
        }
        epochs.push_back(std::move(first));
    }

    // Replaces the segments of these numbers.
    History& scale(const std::vector<std::int32_t>& old, const std::vector<KeyRange>& ranges) {
        EpochDescription epoch = epochs.back();
        epoch.epoch = StreamEpoch{epoch.epoch.number() + 1};
        std::erase_if(epoch.segments,
                      [&](const EpochSegment& s) { return std::ranges::find(old, s.id.number()) != old.end(); });
        for (const KeyRange& range : ranges) epoch.segments.push_back({SegmentId::of(next_++, epoch.epoch), range});
        std::ranges::sort(epoch.segments, {}, &EpochSegment::range);
        epochs.push_back(std::move(epoch));
        return *this;
    }

    std::vector<EpochDescription> epochs;

private:
    std::int32_t next_ = 0;
};

History split_and_merge() {
    History history{4};
    history.scale({0}, {{0, 0.125}, {0.125, 0.25}}).scale({2, 3}, {{0.5, 1}});
    return history;
}

std::string with_newline(const std::string& text) { return "\n" + text; }

std::size_t height_of(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1; }

// Of the picture's own lines.
std::size_t widest_of(const std::string& text) {
    std::size_t widest = 0;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.ends_with("left out") || line.ends_with("shown")) continue;
        const auto width = std::ranges::count_if(line, [](unsigned char c) { return (c & 0xC0) != 0x80; });
        widest = std::max(widest, static_cast<std::size_t>(width));
    }
    return widest;
}

TEST(EpochPicture, ShowsASplitAndAMerge) {
    EXPECT_EQ(with_newline(draw_epochs(split_and_merge().epochs, {})), R"(
epoch      0     1     2
0        ┌─────┬────────────
         │ 0.0 │ 1.4
0.125    │     ├────────────
         │     │ 1.5
0.25     ├─────┴────────────
         │ 0.1
0.5      ├───────────┬──────
         │ 0.2       │ 2.6
0.75     ├───────────┤
         │ 0.3       │
1        └───────────┴──────)");
}

TEST(EpochPicture, DoesWithPlainCharactersAndClosesASealedStream) {
    EXPECT_EQ(with_newline(draw_epochs(split_and_merge().epochs, {.unicode = false, .sealed = true})), R"(
epoch      0     1     2
0        +-----+-----------+
         | 0.0 | 1.4       |
0.125    |     +-----------+
         |     | 1.5       |
0.25     +-----+-----------+
         | 0.1             |
0.5      +-----------+-----+
         | 0.2       | 2.6 |
0.75     +-----------+     |
         | 0.3       |     |
1        +-----------+-----+)");
}

TEST(EpochPicture, ShowsOneSegment) {
    EXPECT_EQ(with_newline(draw_epochs(History{1}.epochs, {})), R"(
epoch      0
0        ┌──────
         │ 0.0
1        └──────)");
}

TEST(EpochPicture, ShowsTheNewestEpochsThatFitAndSaysHowManyDoNot) {
    History history{2};
    for (std::int32_t i = 0; i < 100; ++i) {
        const std::int32_t last = history.epochs.back().segments.front().id.number();
        history.scale({last}, {{0, 0.5}});
    }
    EXPECT_EQ(with_newline(draw_epochs(history.epochs, {.columns = 40})), R"(
epoch      98        99        100
0        ┌─────────┬─────────┬──────────
         │ 98.99   │ 99.100  │ 100.101
0.5      └─────────┴─────────┴──────────
           0.1
1        ───────────────────────────────
98 older epochs are left out)");
}

TEST(EpochPicture, ShowsSomeOfManyRowsAndSaysSo) {
    EXPECT_EQ(with_newline(draw_epochs(History{1000}.epochs, {.lines = 13})), R"(
epoch      0
0        ┌────────
         │ 0.0
0.333    ├────────
         │ 0.333
0.666    ├────────
         │ 0.666
0.999    ├────────
         │ 0.999
1        └────────
4 of 1000 key ranges are shown)");
}

TEST(EpochPicture, StaysWithinItsFrame) {
    History history{300};
    for (std::int32_t i = 0; i < 60; ++i) {
        const KeyRange range{static_cast<double>(i) / 300, static_cast<double>(i + 1) / 300};
        history.scale({i}, {{range.low, (range.low + range.high) / 2}, {(range.low + range.high) / 2, range.high}});
    }
    for (const std::size_t columns : {20u, 33u, 80u, 200u}) {
        for (const std::size_t lines : {8u, 24u, 57u}) {
            const std::string text = draw_epochs(history.epochs, {.columns = columns, .lines = lines});
            // The line with the stream's name comes on top.
            EXPECT_LE(height_of(text) + 1, lines) << columns << " x " << lines << "\n" << text;
            EXPECT_LE(widest_of(text), columns) << columns << " x " << lines << "\n" << text;
            EXPECT_NE(text.find("are left out"), std::string::npos);
            EXPECT_NE(text.find("key ranges are shown"), std::string::npos);
        }
    }
}

}  // namespace
}  // namespace millrace::cli
