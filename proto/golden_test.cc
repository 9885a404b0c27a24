// SPDX-License-Identifier: Apache-2.0
//
// Goal: the numbers, types and bytes of every message are those of our pages, which are what clients and older
// versions of ourselves rely on. Method: the tables of the pages, an encoder that knows nothing but them, and
// the generated code must all agree, both ways.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <set>

#include "common/base/bytes.h"
#include "common/base/crc32c.h"
#include "proto/controller/controller.pb.h"
#include "proto/records/cluster.pb.h"
#include "proto/records/controller.pb.h"
#include "proto/records/log.pb.h"
#include "proto/records/snapshot.pb.h"
#include "proto/testing/page_tables.h"
#include "proto/testing/sample_bytes.h"

namespace millrace::proto::testing {
namespace {

namespace gpb = google::protobuf;

struct Documented {
    const char* page;
    std::vector<const gpb::FileDescriptor*> files;
};

std::vector<Documented> documented() {
    return {{"docs/protocol/controller.md", {io::pravega::controller::stream::api::grpc::v1::StreamInfo::descriptor()->file()}},
            {"docs/formats/records.md",
             {records::StreamRecord::descriptor()->file(), records::LogRecord::descriptor()->file(),
              records::SnapshotManifest::descriptor()->file(), records::ContainerMap::descriptor()->file()}}};
}

// "A.B": without the package.
template <class Descriptor>
std::string short_name(const Descriptor& type) {
    return std::string{type.full_name().substr(type.file()->package().size() + 1)};
}

void collect(const gpb::Descriptor& type, std::vector<const gpb::Descriptor*>& messages,
             std::vector<const gpb::EnumDescriptor*>& enums) {
    if (type.options().map_entry()) return;
    messages.push_back(&type);
    for (int i = 0; i < type.nested_type_count(); ++i) collect(*type.nested_type(i), messages, enums);
    for (int i = 0; i < type.enum_type_count(); ++i) enums.push_back(type.enum_type(i));
}

struct Types {
    std::vector<const gpb::Descriptor*> messages;
    std::vector<const gpb::EnumDescriptor*> enums;
};

Types types_of(const Documented& one) {
    Types types;
    for (const gpb::FileDescriptor* file : one.files) {
        for (int i = 0; i < file->message_type_count(); ++i) collect(*file->message_type(i), types.messages, types.enums);
        for (int i = 0; i < file->enum_type_count(); ++i) types.enums.push_back(file->enum_type(i));
    }
    return types;
}

Page page_of(const Documented& one) {
    Page page = parse_page(read_source(one.page));
    EXPECT_TRUE(page.mistakes.empty()) << one.page << ": " << page.mistakes.front();
    EXPECT_FALSE(page.messages.empty()) << one.page << " cannot be read";
    return page;
}

// A field as the page would have it.
std::string spelled(const gpb::FieldDescriptor& field) {
    std::string text = std::string{field.name()} + " " + std::to_string(field.number()) + ": ";
    if (field.is_map()) {
        const gpb::Descriptor& entry = *field.message_type();
        return text + "map<" + entry.map_key()->type_name() + "," + entry.map_value()->type_name() + ">";
    }
    if (field.is_repeated()) text += "repeated ";
    if (field.type() == gpb::FieldDescriptor::TYPE_MESSAGE) text += field.message_type()->name();
    else if (field.type() == gpb::FieldDescriptor::TYPE_ENUM) text += field.enum_type()->name();
    else text += field.type_name();
    if (field.real_containing_oneof() != nullptr) text += " (one of)";
    return text;
}
std::string spelled(const PageField& field) {
    return field.name + " " + std::to_string(field.number) + ": " + (field.repeated ? "repeated " : "") + field.type +
           (field.one_of ? " (one of)" : "");
}

TEST(Pages, HaveEveryMessageFieldAndEnumValueAndNoOthers) {
    for (const Documented& one : documented()) {
        const Page page = page_of(one);
        const Types types = types_of(one);
        std::set<std::string> seen;
        for (const gpb::Descriptor* type : types.messages) {
            const std::string name = short_name(*type);
            seen.insert(name);
            const auto found = page.messages.find(name);
            if (found == page.messages.end()) {
                ADD_FAILURE() << one.page << " lacks the message " << name;
                continue;
            }
            std::set<std::string> on_page;
            std::set<std::string> in_code;
            for (const PageField& field : found->second) on_page.insert(spelled(field));
            for (int i = 0; i < type->field_count(); ++i) in_code.insert(spelled(*type->field(i)));
            EXPECT_EQ(on_page, in_code) << one.page << ", " << name;
        }
        for (const auto& [name, fields] : page.messages) EXPECT_TRUE(seen.contains(name)) << one.page << " has " << name;

        seen.clear();
        for (const gpb::EnumDescriptor* type : types.enums) {
            const std::string name = short_name(*type);
            seen.insert(name);
            std::map<std::string, int> in_code;
            for (int i = 0; i < type->value_count(); ++i) {
                in_code.emplace(std::string{type->value(i)->name()}, type->value(i)->number());
            }
            const auto found = page.enums.find(name);
            if (found == page.enums.end()) ADD_FAILURE() << one.page << " lacks the enum " << name;
            else EXPECT_EQ(found->second, in_code) << one.page << ", " << name;
        }
        for (const auto& [name, values] : page.enums) EXPECT_TRUE(seen.contains(name)) << one.page << " has " << name;
    }
}

TEST(GoldenBytes, OfEveryMessageAreThoseOfThePageBothWays) {
    for (const Documented& one : documented()) {
        const Page page = page_of(one);
        for (const gpb::Descriptor* type : types_of(one).messages) {
            for (Turn turn = 0; turn < turns_of(*type); ++turn) {
                SCOPED_TRACE(std::string{one.page} + ", " + short_name(*type) + ", turn " + std::to_string(turn));
                std::string mistake;
                const std::string bytes = bytes_by_page(page, short_name(*type), turn, mistake);
                ASSERT_EQ(mistake, "");
                const auto by_name = message_by_name(*type, turn);
                EXPECT_EQ(to_hex(as_bytes(by_name->SerializeAsString())), to_hex(as_bytes(bytes)));

                const std::unique_ptr<gpb::Message> read{by_name->New()};
                ASSERT_TRUE(read->ParseFromString(bytes));
                EXPECT_EQ(read->DebugString(), by_name->DebugString());
                EXPECT_TRUE(read->GetReflection()->GetUnknownFields(*read).empty());
                EXPECT_EQ(to_hex(as_bytes(read->SerializeAsString())), to_hex(as_bytes(bytes)));
            }
        }
    }
}

// The comparison above is worth something only if it can fail.
TEST(GoldenBytes, DifferWhenThePageIsWrong) {
    const Documented one = documented().front();
    const std::string text = read_source(one.page);
    // Whether the message's bytes are others once its row, or its enum's, is wrong.
    const auto differs = [&](const std::string& message, const std::string& row, const std::string& right,
                             const std::string& wrong) {
        std::string doctored = text;
        const std::size_t at = doctored.find("\n| " + row + " | ", doctored.find("## Messages"));
        EXPECT_NE(at, std::string::npos) << row;
        const std::size_t place = doctored.find(right, at);
        EXPECT_LT(place, doctored.find('\n', at + 1)) << right;
        doctored.replace(place, right.size(), wrong);
        std::string mistake;
        const std::string bytes = bytes_by_page(parse_page(doctored), message, 0, mistake);
        const auto* type = one.files.front()->FindMessageTypeByName(message);
        return !mistake.empty() || bytes != message_by_name(*type, 0)->SerializeAsString();
    };
    EXPECT_FALSE(differs("StreamInfo", "StreamInfo", "scope 1", "scope 1"));
    EXPECT_TRUE(differs("StreamInfo", "StreamInfo", "scope 1", "scope 4"));
    EXPECT_TRUE(differs("NodeUri", "NodeUri", "port 2: int32", "port 2: fixed32"));
    EXPECT_TRUE(differs("StreamConfig", "StreamConfig", "tags 4: Tags", "tags 4: string"));
    EXPECT_TRUE(differs("StreamConfig", "Tags", "repeated string", "string"));
    EXPECT_TRUE(differs("SegmentRange", "SegmentRange", "minKey 2: double", "minKey 2: int64"));
    EXPECT_TRUE(differs("StreamCut", "StreamCut", "map<int64,int64>", "int64"));
    EXPECT_TRUE(differs("ListCompletedTxnResponse", "ListCompletedTxnResponse", "response 2", "response 1"));
    EXPECT_TRUE(differs("PingTxnStatus", "PingTxnStatus.Status", "UNKNOWN 7", "UNKNOWN 8"));
}

TEST(RecordExamples, AreWhatThePageSays) {
    const Documented one = documented().back();
    const Page page = page_of(one);
    std::set<std::string> seen;
    for (const auto& [name, digits] : page.examples) {
        SCOPED_TRACE(name);
        const gpb::Descriptor* type = nullptr;
        for (const gpb::FileDescriptor* file : one.files) {
            if (const auto* found = file->FindMessageTypeByName(name)) type = found;
        }
        ASSERT_NE(type, nullptr);
        seen.insert(name);
        const ByteBuffer bytes = from_hex(digits);
        const std::unique_ptr<gpb::Message> message{gpb::MessageFactory::generated_factory()->GetPrototype(type)->New()};
        ASSERT_TRUE(message->ParseFromString(std::string{as_text(bytes)}));
        EXPECT_EQ(to_hex(as_bytes(message->SerializeAsString())), to_hex(bytes));
        if (const auto* checksum = type->FindFieldByName("checksum")) {
            const ByteView before = ByteView{bytes}.first(bytes.size() - 5);
            EXPECT_EQ(message->GetReflection()->GetUInt32(*message, checksum), crc32c(before)) << std::hex << crc32c(before);
        }
    }
    EXPECT_EQ(seen, (std::set<std::string>{"ScopeRecord", "StreamRecord", "ReaderGroupRecord", "RetentionSetRecord", "LogRecord",
                                           "SnapshotAnchor", "ContainerMap"}));
}

TEST(RecordExamples, SayWhatTheTextAroundThemSays) {
    const Page page = page_of(documented().back());
    const auto example = [&](std::string_view name, auto message) {
        for (const auto& [type, digits] : page.examples) {
            if (type == name) EXPECT_TRUE(message.ParseFromString(std::string{as_text(from_hex(digits))}));
        }
        return message;
    };
    const auto log = example("LogRecord", records::LogRecord{});
    EXPECT_EQ(log.log(), 3u);
    EXPECT_EQ(log.epoch(), 2u);
    EXPECT_EQ(log.owner().node(), "a");
    ASSERT_EQ(log.ledgers_size(), 1);
    EXPECT_EQ(log.ledgers(0).state(), records::LogRecord::Ledger::OPEN);
    EXPECT_EQ(log.ledgers(0).fragments(0).replicas_size(), 3);
    const auto stream = example("StreamRecord", records::StreamRecord{});
    EXPECT_EQ(stream.state(), records::StreamRecord::ACTIVE);
    EXPECT_EQ(stream.current().segments(0).high(), 1.0);
    ASSERT_EQ(stream.head().offsets_size(), 1);
    EXPECT_EQ(stream.head().offsets(0), 300);
    const auto retention = example("RetentionSetRecord", records::RetentionSetRecord{});
    EXPECT_EQ(retention.stream(), 7u);
    ASSERT_EQ(retention.cuts_size(), 2);
    EXPECT_EQ(retention.cuts(0).time_ms(), 5);
    EXPECT_EQ(retention.cuts(0).cut().offsets(0), 0);
    EXPECT_EQ(retention.cuts(1).time_ms(), 6);
    EXPECT_EQ(retention.cuts(1).bytes(), 300);
    EXPECT_EQ(retention.cuts(1).cut().offsets(0), 300);
    const auto group = example("ReaderGroupRecord", records::ReaderGroupRecord{});
    EXPECT_EQ(group.id().size(), 16u);
    EXPECT_EQ(group.generation(), 1);
    EXPECT_EQ(group.config().automatic_checkpoint_ms(), 30'000);
    EXPECT_EQ(group.config().starting(0).stream(), "x");
    EXPECT_EQ(example("SnapshotAnchor", records::SnapshotAnchor{}).lsn(), 300u);
    const auto map = example("ContainerMap", records::ContainerMap{});
    EXPECT_EQ(map.number(), 2u);
    EXPECT_EQ(map.assignments(0).store(), "b");
    EXPECT_EQ(map.assignments(0).draining(), "a");
}

TEST(SnapshotAnchor, FitsIntoTheLogsRecord) {
    const auto largest = message_by_name(*records::SnapshotAnchor::descriptor(), 0);
    EXPECT_LE(largest->ByteSizeLong(), 256u);
}

}  // namespace
}  // namespace millrace::proto::testing
