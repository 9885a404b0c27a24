// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "common/base/binary.h"
#include "common/wire/fields.h"
#include "common/wire/messages.h"
#include "common/wire/utf.h"

namespace millrace::wire {
namespace {

class FieldReader {
public:
    static constexpr bool kReads = true;

    explicit FieldReader(const Bytes& payload) : payload_{payload}, reader_{payload.view()} {}

    // A peer that does not know a field sends nothing for it and for all after it.
    bool more() const { return reader_.remaining() > 0; }
    void i8(std::int8_t& v) { v = reader_.i8(); }
    void i32(std::int32_t& v) { v = reader_.i32(); }
    void i64(std::int64_t& v) { v = reader_.i64(); }
    void boolean(bool& v) { v = reader_.u8() != 0; }
    void id(WriterId& v) {
        const ByteView raw = reader_.bytes(v.bytes.size());
        if (!raw.empty()) std::memcpy(v.bytes.data(), raw.data(), raw.size());
    }
    void utf(std::string& text) {
        const std::size_t size = reader_.u16();
        const ByteView raw = reader_.bytes(size);
        if (raw.size() == size && !decode_utf(raw, text)) reader_.fail();
    }
    void blob(Bytes& data) {
        const std::int32_t size = reader_.i32();
        if (size < 0) reader_.fail();
        else slice(static_cast<std::size_t>(size), data);
    }
    void rest(Bytes& data) { slice(reader_.remaining(), data); }
    void zeros(std::int32_t& length) { length = static_cast<std::int32_t>(reader_.rest().size()); }

    bool failed() const { return reader_.failed(); }

private:
    void slice(std::size_t size, Bytes& data) {
        const std::size_t begin = payload_.size() - reader_.remaining();
        reader_.bytes(size);
        if (!reader_.failed() && size != 0) data = payload_.slice(begin, size);
    }

    const Bytes& payload_;
    BigEndianReader reader_;
};

template <class T>
Result<Message> decode_as(const Frame& frame) {
    Result<Message> result{Message{std::in_place_type<T>}};
    FieldReader reader{frame.payload};
    fields(reader, *std::get_if<T>(&result.value()));
    if (reader.failed()) [[unlikely]] {
        return Error{ErrorCode::kBadRequest, to_string(frame.type) + " with a payload of " +
                                                 std::to_string(frame.payload.size()) +
                                                 " bytes is cut short or malformed"};
    }
    return result;
}

}  // namespace

Result<Message> decode(const Frame& frame) {
    switch (frame.type) {
        case FrameType::kHello: return decode_as<Hello>(frame);
        case FrameType::kPartialEvent: return decode_as<PartialEvent>(frame);
        case FrameType::kPadding: return decode_as<Padding>(frame);
        case FrameType::kEvent:
            return Error{ErrorCode::kBadRequest, "Event came as a frame of its own; it belongs into an AppendBlock"};
        case FrameType::kSetupAppend: return decode_as<SetupAppend>(frame);
        case FrameType::kAppendSetup: return decode_as<AppendSetup>(frame);
        case FrameType::kAppendBlock: return decode_as<AppendBlock>(frame);
        case FrameType::kAppendBlockEnd: return decode_as<AppendBlockEnd>(frame);
        case FrameType::kDataAppended: return decode_as<DataAppended>(frame);
        case FrameType::kReadSegment: return decode_as<ReadSegment>(frame);
        case FrameType::kSegmentRead: return decode_as<SegmentRead>(frame);
        case FrameType::kGetStreamSegmentInfo: return decode_as<GetStreamSegmentInfo>(frame);
        case FrameType::kStreamSegmentInfo: return decode_as<StreamSegmentInfo>(frame);
        case FrameType::kCreateSegment: return decode_as<CreateSegment>(frame);
        case FrameType::kSegmentCreated: return decode_as<SegmentCreated>(frame);
        case FrameType::kSealSegment: return decode_as<SealSegment>(frame);
        case FrameType::kSegmentSealed: return decode_as<SegmentSealed>(frame);
        case FrameType::kDeleteSegment: return decode_as<DeleteSegment>(frame);
        case FrameType::kSegmentDeleted: return decode_as<SegmentDeleted>(frame);
        case FrameType::kWrongHost: return decode_as<WrongHost>(frame);
        case FrameType::kSegmentIsSealed: return decode_as<SegmentIsSealed>(frame);
        case FrameType::kSegmentAlreadyExists: return decode_as<SegmentAlreadyExists>(frame);
        case FrameType::kNoSuchSegment: return decode_as<NoSuchSegment>(frame);
        case FrameType::kInvalidEventNumber: return decode_as<InvalidEventNumber>(frame);
        case FrameType::kSegmentIsTruncated: return decode_as<SegmentIsTruncated>(frame);
        case FrameType::kOperationUnsupported: return decode_as<OperationUnsupported>(frame);
        case FrameType::kAuthTokenCheckFailed: return decode_as<AuthTokenCheckFailed>(frame);
        case FrameType::kErrorMessage: return decode_as<ErrorMessage>(frame);
        case FrameType::kKeepAlive: return decode_as<KeepAlive>(frame);
    }
    return Error{ErrorCode::kUnsupported, to_string(frame.type) + " is not known here"};
}

}  // namespace millrace::wire
