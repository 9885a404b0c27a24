// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/seeds.h"

#include <utility>

#include "common/wire/event.h"
#include "common/wire/extension.h"
#include "common/wire/messages.h"
#include "common/wire/testing/golden_frames.h"

namespace millrace::fuzz {
namespace {

using wire::testing::golden_writer;

ByteBuffer framed_events(std::initializer_list<std::string_view> payloads) {
    ByteBuffer out;
    for (const std::string_view payload : payloads) wire::encode_event(as_bytes(payload), out);
    return out;
}

ByteBuffer conversation(std::initializer_list<wire::Message> messages) {
    ByteBuffer out;
    wire::encode(wire::Hello{}, out);
    wire::encode(wire::SetupAppend{1, golden_writer(), "s/t/0.#epoch.0", ""}, out);
    for (const wire::Message& message : messages) wire::encode(message, out);
    return out;
}

// A block of "hello" and whatever `nested` is.
Bytes block_with(const wire::Message& nested) {
    ByteBuffer block = framed_events({"hello"});
    wire::encode(nested, block);
    return Bytes{std::move(block)};
}

void add_frames(std::vector<Seed>& seeds) {
    for (const auto& golden : wire::testing::golden_frames()) {
        seeds.push_back({"frames", golden.name, from_hex(golden.hex)});
    }
    ByteBuffer extension;
    wire::encode_extension({static_cast<wire::FrameType>(wire::kFirstExtensionCode), false, 2, 1, 7, Bytes::copy_of("body")},
                           extension);
    seeds.push_back({"frames", "Extension", std::move(extension)});
}

void add_appends(std::vector<Seed>& seeds) {
    using wire::AppendBlock;
    using wire::AppendBlockEnd;
    const WriterId writer = golden_writer();
    const Bytes hello{framed_events({"hello"})};
    const Bytes both{framed_events({"hello", "world!"})};
    const Bytes second{framed_events({"world!"})};
    const auto add = [&seeds](const char* name, std::initializer_list<wire::Message> messages) {
        seeds.push_back({"appends", name, conversation(messages)});
    };
    add("padded", {AppendBlock{writer, block_with(wire::Padding{5})}, AppendBlockEnd{writer, 13, {}, 1, 1, 1}});
    for (const std::size_t split : {std::size_t{0}, std::size_t{5}, std::size_t{9}, second.size()}) {
        add(("split-" + std::to_string(split)).c_str(),
            {AppendBlock{writer, block_with(wire::PartialEvent{second.slice(0, split)})},
             AppendBlockEnd{writer, 13, second.slice(split), 2, 2, 1}});
    }
    add("exact", {AppendBlock{writer, hello}, AppendBlockEnd{writer, 13, {}, 1, 1, 1}, wire::KeepAlive{},
                  AppendBlock{writer, second}, AppendBlockEnd{writer, 14, {}, 1, 2, 1}});
    add("without-block", {AppendBlockEnd{writer, 27, both, 2, 2, 8}});
    add("empty", {AppendBlock{writer, {}}, AppendBlockEnd{writer, 0, {}, 1, 3, 1}});
    add("keep-alive-inside", {AppendBlock{writer, hello}, wire::KeepAlive{}, AppendBlockEnd{writer, 13, {}, 1, 1, 1}});
    add("set-up-again", {AppendBlockEnd{writer, 13, hello, 1, 9, 1}, wire::SetupAppend{2, writer, "s/t/1.#epoch.0", ""},
                         AppendBlockEnd{writer, 13, hello, 1, 1, 2}});
    add("conditional", {wire::ConditionalAppend{writer, 1, 0, hello, 1}, wire::ConditionalBlockEnd{writer, 2, 13, second, 1}});
    add("padding-alone", {wire::Padding{3}, AppendBlockEnd{writer, 13, hello, 1, 1, 1}});
}

void add_events(std::vector<Seed>& seeds) {
    seeds.push_back({"events", "two", framed_events({"hello", "world!"})});
    seeds.push_back({"events", "empty-payloads", framed_events({"", "", "a", ""})});
    seeds.push_back({"events", "long", framed_events({std::string(300, 'x'), "y"})});
    ByteBuffer cut = framed_events({"hello", "world!"});
    cut.resize(cut.size() - 3);
    seeds.push_back({"events", "cut-in-payload", cut});
    cut.resize(13 + 5);
    seeds.push_back({"events", "cut-in-header", cut});
    seeds.push_back({"events", "too-long", from_hex("00000000 7fffffff 00")});
    seeds.push_back({"events", "no-event", from_hex("00000001 00000000")});
}

}  // namespace

std::vector<Seed> wire_seeds() {
    std::vector<Seed> all;
    add_frames(all);
    add_appends(all);
    add_events(all);
    return all;
}

}  // namespace millrace::fuzz
