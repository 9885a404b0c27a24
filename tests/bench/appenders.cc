// SPDX-License-Identifier: Apache-2.0
//
// Appends as frames of the data port (docs/protocol/wire.md), and as XADD of Redis.
#include <cstring>
#include <string_view>

#include "common/base/binary.h"
#include "common/wire/event.h"
#include "common/wire/messages.h"
#include "tests/bench/frame_call.h"
#include "tests/bench/load.h"

namespace millrace::bench {
namespace {

[[noreturn]] void unexpected(const std::string& what) {
    std::fprintf(stderr, "unexpected reply: %s\n", what.c_str());
    std::exit(1);
}

class FrameAppender final : public Appender {
public:
    FrameAppender(std::uint16_t port, std::string segment, std::size_t event_bytes, Framing framing)
        : Appender{port, event_bytes}, segment_{std::move(segment)}, framing_{framing} {
        writer_.bytes.fill(std::byte{0x4d});
        say_hello(socket());
        call(socket(), wire::CreateSegment{.request_id = 1, .segment = segment_, .delegation_token = {}},
             wire::FrameType::kSegmentCreated);
        call(socket(),
             wire::SetupAppend{.request_id = 2, .writer_id = writer_, .segment = segment_, .delegation_token = {}},
             wire::FrameType::kAppendSetup);
    }

    void encode(std::uint64_t first, std::uint64_t count, ByteBuffer& out) override {
        if (framing_ == Framing::kConditionalAppends) {
            for (std::uint64_t number = first; number < first + count; ++number) encode_conditional(number, out);
            return;
        }
        const std::size_t bytes = count * framed_bytes();
        wire::encode_append_block_before(writer_, bytes, out);
        for (std::uint64_t number = first; number < first + count; ++number) wire::encode_event(event(number), out);
        wire::AppendBlockEnd end;
        end.writer_id = writer_;
        end.size_of_whole_events = static_cast<std::int32_t>(bytes);
        end.num_events = static_cast<std::int32_t>(count);
        end.last_event_number = static_cast<std::int64_t>(first + count);
        end.request_id = kRequest;
        wire::encode(end, out);
    }

    std::size_t take_replies(ByteView in) override {
        std::size_t taken = 0;
        while (in.size() - taken >= wire::kFrameHeaderBytes) {
            const wire::FrameHeader header = wire::read_frame_header(in.subspan(taken, wire::kFrameHeaderBytes));
            const std::size_t bytes = wire::kFrameHeaderBytes + static_cast<std::size_t>(header.length);
            if (in.size() - taken < bytes) break;
            if (header.type != wire::FrameType::kDataAppended) unexpected(wire::to_string(header.type));
            take_ack(in.subspan(taken + wire::kFrameHeaderBytes, bytes - wire::kFrameHeaderBytes));
            taken += bytes;
        }
        return taken;
    }

    void clean_up() override {
        call(socket(), wire::DeleteSegment{.request_id = 4, .segment = segment_, .delegation_token = {}},
             wire::FrameType::kSegmentDeleted);
    }

private:
    static constexpr wire::RequestId kRequest = 3;

    std::size_t framed_bytes() const { return event_bytes() + wire::kEventHeaderBytes; }

    void encode_conditional(std::uint64_t number, ByteBuffer& out) {
        framed_.clear();
        wire::encode_event(event(number), framed_);
        wire::ConditionalAppend append;
        append.writer_id = writer_;
        append.event_number = static_cast<std::int64_t>(number + 1);
        append.expected_offset = static_cast<std::int64_t>(number * framed_bytes());
        append.event = Bytes{nullptr, framed_.view()};
        append.request_id = kRequest;
        wire::encode(append, out);
    }

    // By hand: a general decoder would be a part of what is measured.
    void take_ack(ByteView payload) {
        BigEndianReader in{payload};
        in.bytes(writer_.bytes.size());
        const std::int64_t number = in.i64();
        const std::int64_t previous = in.i64();
        in.i64();
        const std::int64_t length = in.i64();
        const bool in_order = previous == static_cast<std::int64_t>(acknowledged_) || acknowledged_ == 0;
        if (in.failed() || !in_order || number * static_cast<std::int64_t>(framed_bytes()) != length) {
            unexpected("an acknowledgement of event " + std::to_string(number) + " after " + std::to_string(acknowledged_) +
                       " in a segment of " + std::to_string(length) + " bytes");
        }
        acknowledged_ = static_cast<std::uint64_t>(number);
    }

    const std::string segment_;
    const Framing framing_;
    WriterId writer_;
    ByteBuffer framed_;
};

class RedisAppender final : public Appender {
public:
    RedisAppender(std::uint16_t port, std::string key, std::size_t event_bytes)
        : Appender{port, event_bytes},
          key_{std::move(key)},
          before_{"*5\r\n$4\r\nXADD\r\n" + bulk(key_) + "$1\r\n*\r\n$1\r\ne\r\n$" + std::to_string(event_bytes) + "\r\n"} {}

    void encode(std::uint64_t first, std::uint64_t count, ByteBuffer& out) override {
        for (std::uint64_t number = first; number < first + count; ++number) {
            out.append(as_bytes(before_));
            out.append(event(number));
            out.append(as_bytes("\r\n"));
        }
    }

    // "$LENGTH\r\nID\r\n" each.
    std::size_t take_replies(ByteView in) override {
        const std::string_view text = as_text(in);
        std::size_t taken = 0;
        for (;;) {
            const std::size_t size_end = text.find('\n', taken);
            if (size_end == std::string_view::npos) break;
            if (text[taken] != '$') unexpected(std::string{text.substr(taken, size_end - taken)});
            const std::size_t id_end = text.find('\n', size_end + 1);
            if (id_end == std::string_view::npos) break;
            taken = id_end + 1;
            ++acknowledged_;
        }
        return taken;
    }

    void clean_up() override {
        send_all(socket(), as_bytes("*2\r\n$3\r\nDEL\r\n" + bulk(key_)));
        ByteBuffer answer(4);  // ":1\r\n"
        receive_all(socket(), answer.mutable_view());
    }

private:
    static std::string bulk(const std::string& text) { return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n"; }

    const std::string key_;
    const std::string before_;
};

}  // namespace

std::unique_ptr<Appender> frame_appender(std::uint16_t port, std::string segment, std::size_t event_bytes, Framing framing) {
    return std::make_unique<FrameAppender>(port, std::move(segment), event_bytes, framing);
}

std::unique_ptr<Appender> redis_appender(std::uint16_t port, std::string key, std::size_t event_bytes) {
    return std::make_unique<RedisAppender>(port, std::move(key), event_bytes);
}

}  // namespace millrace::bench
