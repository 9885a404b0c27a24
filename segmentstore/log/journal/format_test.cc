// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/format.h"

#include <gtest/gtest.h>

#include "common/base/crc32c.h"
#include "segmentstore/log/journal/batch.h"

namespace millrace::log {
namespace {

FileHeader example_file_header() {
    FileHeader header;
    for (std::size_t i = 0; i < header.store.size(); ++i)
        header.store[i] = static_cast<std::byte>(0xA0 + i);
    header.file_seq = 0x1a;
    header.salt = 0x1122334455667788;
    header.previous_seq = 0x19;
    header.file_bytes = 64 * 1024 * 1024;
    return header;
}

ByteBuffer example_file_block() {
    ByteBuffer block;
    block.resize(kBlockBytes);
    encode_file_header(example_file_header(), block.mutable_view());
    return block;
}

BatchHeader example_batch_header() {
    BatchHeader header;
    header.file_seq = 0x1a;
    header.batch_seq = 7;
    header.synced_through = 6;
    header.flags = BatchHeader::kFirstOfFile;
    header.previous_crc = 0xDEADBEEF;
    header.wall_time_ms = 1735689600000;
    return header;
}

// Two entries: "hello" in two pieces, and one byte.
ByteBuffer example_batch(std::uint64_t salt, BatchHeader header = example_batch_header()) {
    BatchBuilder builder;
    builder.start(2, 6);
    RecordHeader first;
    first.log = 3;
    first.epoch = 2;
    first.index = 100;
    const std::vector<Bytes> pieces{Bytes::copy_of("he"), Bytes::copy_of("llo")};
    EXPECT_EQ(builder.add(first, pieces, crc32c(as_bytes("hello"))), 128u);
    RecordHeader second;
    second.log = 3;
    second.epoch = 2;
    second.index = 101;
    EXPECT_EQ(builder.add(second, as_bytes("!")), 133u);
    ByteBuffer bytes;
    bytes.append(builder.finish(header, salt));
    return bytes;
}

TEST(JournalFormat, FileHeaderHasTheDocumentedBytes) {
    const ByteBuffer block = example_file_block();
    EXPECT_EQ(to_hex(block.view().first(12)), "894d524a524e4c0002000000");
    EXPECT_EQ(to_hex(block.view().subspan(12, 4)), "db7d83db");
    EXPECT_EQ(to_hex(block.view().subspan(16, 16)), "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    EXPECT_EQ(to_hex(block.view().subspan(32, 32)),
              "1a00000000000000"
              "8877665544332211"
              "1900000000000000"
              "0000000400000000");
    for (std::size_t i = 64; i < kBlockBytes; ++i) ASSERT_EQ(block[i], std::byte{0});
}

TEST(JournalFormat, FileHeaderComesBackAsItWas) {
    const auto header = decode_file_header(example_file_block().view());
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->store, example_file_header().store);
    EXPECT_EQ(header->file_seq, 0x1au);
    EXPECT_EQ(header->salt, 0x1122334455667788u);
    EXPECT_EQ(header->previous_seq, 0x19u);
    EXPECT_EQ(header->file_bytes, 64u * 1024 * 1024);
}

TEST(JournalFormat, EveryFlippedBitOfAFileHeaderIsNoticed) {
    const ByteBuffer block = example_file_block();
    for (std::size_t i = 0; i < block.size(); ++i) {
        // Every bit of what means something, one of each zero byte.
        for (int bit = 0; bit < (i < 64 ? 8 : 1); ++bit) {
            ByteBuffer bad = block;
            bad[i] ^= std::byte{static_cast<std::uint8_t>(1 << bit)};
            const auto header = decode_file_header(bad.view());
            ASSERT_FALSE(header.ok()) << i;
            ASSERT_TRUE(header.error().is(ErrorCode::kCorrupt)) << i;
        }
    }
    EXPECT_TRUE(decode_file_header(block.view().first(4095)).error().is(ErrorCode::kCorrupt));
}

TEST(JournalFormat, ANewerVersionIsNotDamage) {
    ByteBuffer block = example_file_block();
    block[8] = std::byte{3};
    std::memset(block.data() + 12, 0, 4);
    const std::uint32_t crc = crc32c(block.view());
    std::memcpy(block.data() + 12, &crc, 4);
    const auto header = decode_file_header(block.view());
    ASSERT_FALSE(header.ok());
    EXPECT_TRUE(header.error().is(ErrorCode::kUnsupported));
    EXPECT_NE(header.error().detail().find("version 3"), std::string::npos);
}

TEST(JournalFormat, BatchHasTheDocumentedBytes) {
    const ByteBuffer bytes = example_batch(0x1122334455667788);
    ASSERT_EQ(bytes.size(), kBlockBytes);
    EXPECT_EQ(to_hex(bytes.view().first(64)),
              "4d524248"
              "d917e777"
              "1a00000000000000"
              "0700000000000000"
              "0600000000000000"
              "46000000"
              "02000000"
              "eae8e87d"
              "0100"
              "0100"
              "00100000"
              "efbeadde"
              "007c291f94010000");
    EXPECT_EQ(to_hex(bytes.view().subspan(64, 32)),
              "01002000"
              "05000000"
              "03000000"
              "4cbb719a"
              "0200000000000000"
              "6400000000000000");
    EXPECT_EQ(to_hex(bytes.view().subspan(96, 32)),
              "01002000"
              "01000000"
              "03000000"
              "8c5eab80"
              "0200000000000000"
              "6500000000000000");
    EXPECT_EQ(as_text(bytes.view().subspan(128, 6)), "hello!");
    for (std::size_t i = 134; i < kBlockBytes; ++i) ASSERT_EQ(bytes[i], std::byte{0});
}

TEST(JournalFormat, BatchComesBackAsItWas) {
    const ByteBuffer bytes = example_batch(99);
    const auto header = decode_batch_header(bytes.view(), 99);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->batch_seq, 7u);
    EXPECT_EQ(header->synced_through, 6u);
    EXPECT_EQ(header->record_count, 2u);
    EXPECT_EQ(header->padded_bytes, kBlockBytes);
    const auto records = decode_records(*header, bytes.view());
    ASSERT_TRUE(records.ok());
    ASSERT_EQ(records->size(), 2u);
    EXPECT_EQ(as_text((*records)[0].body), "hello");
    EXPECT_EQ((*records)[1].header.index, 101u);
    EXPECT_EQ((*records)[1].body_at, 133u);
}

TEST(JournalFormat, EveryFlippedBitOfABatchIsNoticed) {
    const ByteBuffer bytes = example_batch(99);
    for (std::size_t i = 0; i < 134; ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            ByteBuffer bad = bytes;
            bad[i] ^= std::byte{static_cast<std::uint8_t>(1 << bit)};
            const auto header = decode_batch_header(bad.view(), 99);
            if (i < 64) {
                ASSERT_TRUE(!header.ok() && header.error().is(ErrorCode::kCorrupt)) << i;
                continue;
            }
            ASSERT_TRUE(header.ok());
            const auto records = decode_records(*header, bad.view());
            ASSERT_TRUE(!records.ok() && records.error().is(ErrorCode::kCorrupt)) << i;
        }
    }
}

TEST(JournalFormat, ABatchOfAnotherLifeOfTheFileDoesNotPass) {
    const ByteBuffer bytes = example_batch(99);
    EXPECT_TRUE(decode_batch_header(bytes.view(), 98).error().is(ErrorCode::kCorrupt));
}

TEST(JournalFormat, HeadersThatContradictThemselvesAreRefused) {
    BatchHeader header = example_batch_header();
    header.record_count = 1000;
    header.records_bytes = 40;
    header.padded_bytes = kBlockBytes;
    ByteBuffer bytes;
    bytes.resize(BatchHeader::kBytes);
    encode_batch_header(header, 1, bytes.mutable_view());
    EXPECT_FALSE(decode_batch_header(bytes.view(), 1).ok());
    header.record_count = 1;
    header.padded_bytes = 100;
    encode_batch_header(header, 1, bytes.mutable_view());
    EXPECT_FALSE(decode_batch_header(bytes.view(), 1).ok());
    header.padded_bytes = kBlockBytes;
    encode_batch_header(header, 1, bytes.mutable_view());
    EXPECT_TRUE(decode_batch_header(bytes.view(), 1).ok());
    EXPECT_FALSE(decode_batch_header(bytes.view().first(63), 1).ok());
}

TEST(JournalFormat, StatesAndListsComeBackAsTheyWere) {
    const std::vector<LogStateItem> states{{1, 2, 4, 10, "anchor"}, {7, 1, 1, 1, ""}};
    ByteBuffer body;
    encode_log_states(states, body);
    EXPECT_EQ(to_hex(body.view().first(40)),
              "0100000006000000"
              "0200000000000000"
              "0400000000000000"
              "0a00000000000000"
              "616e63686f720000");
    EXPECT_EQ(*decode_log_states(body.view()), states);
    for (std::size_t cut = 1; cut < body.size(); ++cut) {
        if (cut != 40) EXPECT_FALSE(decode_log_states(body.view().first(cut)).ok()) << cut;
    }
    ByteBuffer long_anchor;
    encode_log_states({{1, 1, 1, 1, std::string(256, 'x')}}, long_anchor);
    ASSERT_TRUE(decode_log_states(long_anchor.view()).ok());
    long_anchor[4] = std::byte{1};  // 257
    long_anchor.resize(long_anchor.size() + 8);
    EXPECT_FALSE(decode_log_states(long_anchor.view()).ok());

    ByteBuffer retired;
    encode_retired({3, 0x1a}, retired);
    EXPECT_EQ(to_hex(retired.view()), "03000000000000001a00000000000000");
    EXPECT_EQ(*decode_retired(retired.view()), (std::vector<std::uint64_t>{3, 0x1a}));
    EXPECT_FALSE(decode_retired(retired.view().first(9)).ok());
    EXPECT_FALSE(decode_retired({}).ok());

    const std::vector<FileListItem> files{{1, 5, 8192, 2}, {3, 6, 16384, 9}};
    ByteBuffer list;
    encode_file_list(files, list);
    EXPECT_EQ(to_hex(list.view().first(32)),
              "0100000000000000"
              "0500000000000000"
              "0020000000000000"
              "0200000000000000");
    EXPECT_EQ(*decode_file_list(list.view()), files);
    ByteBuffer backwards;
    encode_file_list({files[1], files[0]}, backwards);
    EXPECT_FALSE(decode_file_list(backwards.view()).ok());
}

TEST(JournalFormat, FileNamesAreReadBackStrictly) {
    EXPECT_EQ(file_name(0x1a), "000000000000001a.wal");
    EXPECT_EQ(file_seq_of("000000000000001a.wal"), 0x1au);
    for (const char* other : {"", "LOCK", "000000000000001a.tmp", "000000000000001A.wal", "1a.wal",
                              "000000000000001a.wal.tmp"}) {
        EXPECT_EQ(file_seq_of(other), 0u) << other;
    }
}

}  // namespace
}  // namespace millrace::log
