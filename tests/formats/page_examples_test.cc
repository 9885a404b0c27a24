// SPDX-License-Identifier: Apache-2.0
//
// Goal: what docs/formats says about our files is true to the byte. Method: the bytes that a page gives as examples
// are decoded, must say what the page's text says of them, and must be what the code writes.
#include <gtest/gtest.h>

#include <cctype>
#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "common/base/bytes.h"
#include "segmentstore/container/entry.h"
#include "segmentstore/container/operation.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/server/store_format.h"

namespace millrace {
namespace {

bool is_hex(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return c == ' ' || (std::isxdigit(c) != 0 && std::isupper(c) == 0);
    });
}

// Lines that begin with four blanks: "    Name: hex digits", which go on in lines without a name.
class PageExamples {
public:
    explicit PageExamples(const std::string& page) : page_{page} {
        std::ifstream file{std::string{MILLRACE_SOURCE_DIR} + "/docs/formats/" + page};
        std::string last;
        for (std::string line; std::getline(file, line);) {
            if (!line.starts_with("    ")) {
                last.clear();
                continue;
            }
            const std::string content = line.substr(line.find_first_not_of(' '));
            const std::size_t colon = content.find(": ");
            if (colon != std::string::npos && is_hex(content.substr(colon + 2))) {
                last = content.substr(0, colon);
                EXPECT_TRUE(digits_.emplace(last, content.substr(colon + 2)).second) << page << " has " << last << " twice";
            } else if (!last.empty() && is_hex(content)) {
                digits_[last] += content;
            } else {
                ADD_FAILURE() << page << ": not an example: " << content;
            }
        }
    }
    // Each must be asked for: an example that nobody decodes proves nothing.
    ~PageExamples() {
        for (const auto& [name, digits] : digits_) ADD_FAILURE() << page_ << ": nobody decodes the example " << name;
    }

    ByteBuffer take(const std::string& name) {
        const auto found = digits_.find(name);
        if (found == digits_.end()) {
            ADD_FAILURE() << page_ << " has no example " << name;
            return {};
        }
        ByteBuffer bytes = from_hex(found->second);
        digits_.erase(found);
        return bytes;
    }

private:
    const std::string page_;
    std::map<std::string, std::string> digits_;
};

ByteBuffer padded(ByteBuffer bytes) {
    bytes.append(as_bytes(std::string(log::kBlockBytes - bytes.size(), '\0')));
    return bytes;
}

TEST(JournalPage, ExamplesAreWhatTheCodeReadsAndWrites) {
    PageExamples page{"journal.md"};

    const ByteBuffer file_block = padded(page.take("FileHeader"));
    const auto file = log::decode_file_header(file_block.view());
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    EXPECT_EQ(file->file_seq, 26u);
    EXPECT_EQ(file->salt, 0x1122334455667788u);
    EXPECT_EQ(file->previous_seq, 25u);
    EXPECT_EQ(file->file_bytes, 64u * 1024 * 1024);
    ByteBuffer written;
    written.resize(log::kBlockBytes);
    log::encode_file_header(*file, written.mutable_view());
    EXPECT_EQ(to_hex(written), to_hex(file_block));

    const ByteBuffer batch = padded(page.take("Batch"));
    auto header = log::decode_batch_header(batch.view(), file->salt);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_EQ(header->file_seq, 26u);
    EXPECT_EQ(header->batch_seq, 7u);
    EXPECT_EQ(header->flags, log::BatchHeader::kFirstOfFile);
    const auto records = log::decode_records(*header, batch.view());
    ASSERT_TRUE(records.ok()) << records.error().to_string();
    ASSERT_EQ(records->size(), 2u);
    log::BatchBuilder builder;
    builder.start(2, 6);
    for (const log::DecodedRecord& record : *records) {
        EXPECT_EQ(record.header.type, log::RecordType::kEntry);
        EXPECT_EQ(record.header.log, 3u);
        EXPECT_EQ(record.header.epoch, 2u);
        log::RecordHeader again = record.header;
        builder.add(again, record.body);
    }
    EXPECT_EQ((*records)[0].header.index, 100u);
    EXPECT_EQ(as_text((*records)[0].body), "hello");
    EXPECT_EQ((*records)[1].header.index, 101u);
    EXPECT_EQ(as_text((*records)[1].body), "!");
    EXPECT_EQ(to_hex(builder.finish(*header, file->salt)), to_hex(batch));

    const ByteBuffer state_bytes = page.take("LogState");
    const auto states = log::decode_log_states(state_bytes.view());
    ASSERT_TRUE(states.ok()) << states.error().to_string();
    EXPECT_EQ(*states, (std::vector<log::LogStateItem>{
                           {.log = 3, .epoch = 2, .first = 90, .next = 102, .anchor = "first"}}));
    ByteBuffer out;
    log::encode_log_states(*states, out);
    EXPECT_EQ(to_hex(out), to_hex(state_bytes));

    const ByteBuffer list_bytes = page.take("FileList");
    const auto files = log::decode_file_list(list_bytes.view());
    ASSERT_TRUE(files.ok()) << files.error().to_string();
    EXPECT_EQ(*files, (std::vector<log::FileListItem>{{.file_seq = 25, .salt = 0x99, .end = 8192, .last_batch = 6}}));
    out = {};
    log::encode_file_list(*files, out);
    EXPECT_EQ(to_hex(out), to_hex(list_bytes));

    const ByteBuffer retired_bytes = page.take("Retired");
    const auto retired = log::decode_retired(retired_bytes.view());
    ASSERT_TRUE(retired.ok()) << retired.error().to_string();
    EXPECT_EQ(*retired, (std::vector<std::uint64_t>{23, 24}));
    out = {};
    log::encode_retired(*retired, out);
    EXPECT_EQ(to_hex(out), to_hex(retired_bytes));
}

TEST(ContainerPage, ExamplesAreWhatTheCodeReadsAndWrites) {
    PageExamples page{"container.md"};

    const ByteBuffer create_bytes = page.take("CreateSegment");
    const auto create = container::decode_operation(create_bytes.view());
    ASSERT_TRUE(create.ok()) << create.error().to_string();
    EXPECT_EQ(create->operation,
              (container::Operation{0x0102030405060708,
                                    container::CreateSegment{container::SegmentKey{1}, "s/t/0.#epoch.0", {5, 1, 9}}}));
    ByteBuffer out;
    container::encode_operation(create->operation, {}, out);
    EXPECT_EQ(to_hex(out), to_hex(create_bytes));

    const ByteBuffer append_bytes = page.take("Append");
    const auto append = container::decode_operation(append_bytes.view());
    ASSERT_TRUE(append.ok()) << append.error().to_string();
    const auto& what = std::get<container::Append>(append->operation.what);
    EXPECT_EQ(append->operation.wall_ms, 1);
    EXPECT_EQ(what.segment, container::SegmentKey{1});
    EXPECT_EQ(what.offset, 2);
    EXPECT_EQ(what.event_number, 3);
    EXPECT_EQ(what.event_count, 4);
    const ByteView data = append_bytes.view().subspan(append->data_begin);
    EXPECT_EQ(as_text(data), "hi");
    out = {};
    const Bytes pieces[] = {Bytes::copy_of(as_text(data))};
    container::encode_operation(append->operation, pieces, out);
    out.append(data);
    EXPECT_EQ(to_hex(out), to_hex(append_bytes));

    for (const auto& [name, first, continuing] :
         {std::tuple{"FirstEntry", true, 0u}, std::tuple{"ContinuedEntry", false, 5u}}) {
        ByteBuffer bytes = page.take(name);
        out = {};
        container::encode_entry_header({first, continuing}, out);
        EXPECT_EQ(to_hex(out), to_hex(bytes)) << name;
        bytes.append(as_bytes("12345"));  // what continues must be there
        const auto header = container::decode_entry_header(bytes.view());
        ASSERT_TRUE(header.ok()) << header.error().to_string();
        EXPECT_EQ(header->first_of_epoch, first);
        EXPECT_EQ(header->continuing_bytes, continuing);
    }

    const ByteBuffer store_bytes = page.take("StoreFormat");
    const auto store = segmentstore::decode_store_format(store_bytes.view());
    ASSERT_TRUE(store.ok()) << store.error().to_string();
    EXPECT_EQ(store->containers, 16u);
    EXPECT_EQ(to_hex(segmentstore::encode_store_format(*store)), to_hex(store_bytes));
}

}  // namespace
}  // namespace millrace
