// SPDX-License-Identifier: Apache-2.0
#include "common/model/segment_name.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/model/routing_hash.h"

namespace millrace {
namespace {

TEST(SegmentId, HoldsEpochAboveNumber) {
    const SegmentId id = SegmentId::of(5, StreamEpoch{3});
    EXPECT_EQ(id.value, 12'884'901'893);
    EXPECT_EQ(id.number(), 5);
    EXPECT_EQ(id.epoch(), StreamEpoch{3});
    EXPECT_LT(SegmentId::of(900, StreamEpoch{0}), SegmentId::of(1, StreamEpoch{1}));
}

TEST(SegmentName, IsSpelledAndParsedBack) {
    const StreamName stream{"myscope", "mystream"};
    const std::string name = segment_name(stream, SegmentId::of(5, StreamEpoch{3}));
    EXPECT_EQ(name, "myscope/mystream/5.#epoch.3");
    const ParsedSegmentName parsed = parse_segment_name(name).value();
    EXPECT_EQ(parsed.stream, stream);
    EXPECT_EQ(parsed.segment.value, 12'884'901'893);
}

TEST(SegmentName, ParsesTheOldFormAndInternalStreams) {
    EXPECT_EQ(parse_segment_name("s/t/7").value().segment, SegmentId::of(7, StreamEpoch{0}));
    EXPECT_EQ(parse_segment_name("_system/_RGscaleGroup/0.#epoch.0").value().stream.stream, "_RGscaleGroup");
    EXPECT_EQ(parse_segment_name("scope/_MARKorders/2147483647.#epoch.2147483647").value().segment,
              SegmentId::of(2'147'483'647, StreamEpoch{2'147'483'647}));
}

TEST(SegmentName, RefusesEverythingElse) {
    for (const std::string_view name :
         {"", "/", "//", "a/b", "a/b/", "a/b/c", "a/b/1/2", "a/b/-1.#epoch.0", "a/b/01.#epoch.0", "a/b/1.#epoch.",
          "a/b/1.#epoch.00", "a/b/1.#epoch.-1", "a/b/1.#epoch.2x", "a/b/2147483648.#epoch.0", "a/b/1.epoch.0",
          "a/b/+1", "/b/1.#epoch.0", "a//1.#epoch.0", "a/b c/1.#epoch.0", "a/__b/1.#epoch.0",
          "a/b/5.#epoch.3#transaction.00000003000000000000000000abcdef"}) {
        const auto parsed = parse_segment_name(name);
        ASSERT_FALSE(parsed) << name;
        EXPECT_TRUE(parsed.error().is(ErrorCode::kInvalidArgument)) << name;
    }
}

TEST(StreamName, ParsesUserNamesOnly) {
    EXPECT_EQ(StreamName::parse("scope-1/stream.2").value().to_string(), "scope-1/stream.2");
    for (const std::string_view text : {"", "a", "a/", "/b", "a/b/c", "_system/x", "a/_RGb", "a b/c", "a/b\n"}) {
        EXPECT_FALSE(StreamName::parse(text)) << text;
    }
}

TEST(UserName, HasBoundsAndSaysWhatIsWrong) {
    EXPECT_TRUE(check_user_name("stream", "A-Za-z0-9.-"));
    EXPECT_TRUE(check_user_name("stream", std::string(250, 'x')));
    EXPECT_FALSE(check_user_name("stream", std::string(251, 'x')));
    EXPECT_TRUE(check_internal_name("stream", std::string(255, 'x')));
    EXPECT_FALSE(check_internal_name("stream", std::string(256, 'x')));
    EXPECT_TRUE(check_internal_name("stream", "_MARKx"));
    EXPECT_FALSE(check_internal_name("stream", "_"));
    EXPECT_FALSE(check_internal_name("stream", "__x"));

    const auto refused = check_user_name("stream", "bad\x1bname");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail(),
              "stream 'bad?name' has a character at position 4 that is not allowed; "
              "names are made of A-Z a-z 0-9 . -");
}

TEST(ContainerHashKey, IsSharedByEpochsTransactionsAndTransients) {
    const std::string id(32, 'a');
    EXPECT_EQ(container_hash_key("a/b/0.#epoch.7"), "a/b/0");
    EXPECT_EQ(container_hash_key("a/b/0"), "a/b/0");
    EXPECT_EQ(container_hash_key("a/b/0.#epoch.7#transaction." + id), "a/b/0");
    EXPECT_EQ(container_hash_key("a/b/0.#epoch.7#transient." + id + "." + id), "a/b/0");
    EXPECT_EQ(container_hash_key("a/b/0#transaction." + id), "a/b/0");
    // Too short to be an id: part of the name.
    EXPECT_EQ(container_hash_key("a/b/0#transaction.abc"), "a/b/0#transaction.abc");
    EXPECT_EQ(container_hash_key("_system/_tables/streamsInScope"), "_system/_tables/streamsInScope");
}

struct SlotVector {
    std::string_view name;
    std::uint64_t hash;
};

class ContainerHash : public testing::TestWithParam<SlotVector> {};

TEST_P(ContainerHash, MatchesPublishedWord) {
    constexpr std::int32_t kSeed = 1'661'405'012;
    EXPECT_EQ(murmur3_of_utf16(GetParam().name, kSeed), GetParam().hash);
    EXPECT_EQ(hash_slot_of(GetParam().name), GetParam().hash & 0xFFF);
    EXPECT_EQ(container_of(std::string{GetParam().name} + ".#epoch.12", 16),
              ContainerId{static_cast<std::uint32_t>((GetParam().hash & 0xFFF) / 256)});
}

INSTANTIATE_TEST_SUITE_P(Published, ContainerHash,
                         testing::Values(SlotVector{"scope/stream/0", 0x2f24fa0e019c1719},
                                         SlotVector{"scope/stream/1", 0xa12f5ecf132a70ca},
                                         SlotVector{"scope/stream/2", 0x30de8a68db41fd3c},
                                         SlotVector{"_system/_requeststream/0", 0x54f86ae12b829d52},
                                         SlotVector{"_system/_abortStream/0", 0x01877d2c4299ec27},
                                         SlotVector{"_system/_tables/streamsInScope", 0x190c1098380ccb4a},
                                         SlotVector{"scope/kvt_kvtable/0", 0x4548efa066646da0},
                                         SlotVector{"scope/_RGgroup/0", 0xd70f16e0ee66acb8},
                                         SlotVector{"scope/_MARKstream/0", 0x8c6c44860973716c},
                                         SlotVector{"_system/containers/metadata_1", 0xcd78353c6b783da6}));

TEST(ContainerOf, IsTheSameForAllEpochsTransactionsAndTransientsOfASegment) {
    const std::string id = "0123456789abcdef0123456789abcdef";
    const std::uint32_t slot = 0x2f24fa0e019c1719 & 0xFFF;
    for (const std::string& suffix : {std::string{".#epoch.0"}, std::string{".#epoch.2147483647"},
                                     ".#epoch.7#transaction." + id, ".#epoch.7#transient." + id, "#transaction." + id}) {
        EXPECT_EQ(hash_slot_of("scope/stream/0" + suffix), slot) << suffix;
    }
}

TEST(ContainerOf, UsesAllContainersAndNoOther) {
    for (const std::uint32_t containers : {1u, 3u, 16u, 48u, 4096u}) {
        std::set<std::uint32_t> seen;
        for (int i = 0; i < 2000; ++i) {
            const ContainerId id = container_of("s/t/" + std::to_string(i) + ".#epoch.0", containers);
            ASSERT_LT(id.number(), containers);
            seen.insert(id.number());
        }
        if (containers <= 48) {
            EXPECT_EQ(seen.size(), containers);
        }
    }
}

}  // namespace
}  // namespace millrace
