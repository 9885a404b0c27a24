// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/companions.h"

#include <gtest/gtest.h>

namespace millrace::controller::stream {
namespace {

TEST(Companions, OfAReaderGroupIsTheStreamOfItsState) {
    const ReaderGroupName group{"s", "g"};
    EXPECT_EQ(state_of(group), (StreamName{"s", "_RGg"}));
    EXPECT_EQ(group_of({"s", "_RGg"}), group);
    for (const char* other : {"g", "_RG", "_MARKg", "RGg", "_R"})
        EXPECT_FALSE(group_of({"s", other}).has_value()) << other;
}

TEST(Companions, OfAStreamAreItsMarks) {
    const StreamName stream{"s", "x"};
    const StreamName marks{"s", "_MARKx"};
    EXPECT_EQ(marks_of(stream), marks);
    EXPECT_EQ(marked_by(marks), stream);
    for (const char* other : {"x", "_MARK", "MARKx", "_RGx"})
        EXPECT_FALSE(marked_by({"s", other}).has_value()) << other;
    // What belongs to something else has none: its name would be illegal.
    for (const char* internal : {"_RGg", "_MARKx", "_system"})
        EXPECT_FALSE(marks_of({"s", internal}).has_value()) << internal;
    EXPECT_TRUE(marks_of({"s", std::string(kMaxUserNameBytes, 'n')}).has_value())
        << "every name that users may give has room";
    EXPECT_FALSE(marks_of({"s", std::string(kMaxUserNameBytes + 1, 'n')}).has_value());
}

}  // namespace
}  // namespace millrace::controller::stream
