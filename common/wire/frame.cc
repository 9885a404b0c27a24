// SPDX-License-Identifier: Apache-2.0
#include "common/wire/frame.h"

namespace millrace::wire {

std::string to_string(FrameType type) {
    switch (type) {
        case FrameType::kHello: return "Hello";
        case FrameType::kPartialEvent: return "PartialEvent";
        case FrameType::kPadding: return "Padding";
        case FrameType::kEvent: return "Event";
        case FrameType::kSetupAppend: return "SetupAppend";
        case FrameType::kAppendSetup: return "AppendSetup";
        case FrameType::kAppendBlock: return "AppendBlock";
        case FrameType::kAppendBlockEnd: return "AppendBlockEnd";
        case FrameType::kDataAppended: return "DataAppended";
        case FrameType::kReadSegment: return "ReadSegment";
        case FrameType::kSegmentRead: return "SegmentRead";
        case FrameType::kGetStreamSegmentInfo: return "GetStreamSegmentInfo";
        case FrameType::kStreamSegmentInfo: return "StreamSegmentInfo";
        case FrameType::kCreateSegment: return "CreateSegment";
        case FrameType::kSegmentCreated: return "SegmentCreated";
        case FrameType::kSealSegment: return "SealSegment";
        case FrameType::kSegmentSealed: return "SegmentSealed";
        case FrameType::kDeleteSegment: return "DeleteSegment";
        case FrameType::kSegmentDeleted: return "SegmentDeleted";
        case FrameType::kWrongHost: return "WrongHost";
        case FrameType::kSegmentIsSealed: return "SegmentIsSealed";
        case FrameType::kSegmentAlreadyExists: return "SegmentAlreadyExists";
        case FrameType::kNoSuchSegment: return "NoSuchSegment";
        case FrameType::kInvalidEventNumber: return "InvalidEventNumber";
        case FrameType::kSegmentIsTruncated: return "SegmentIsTruncated";
        case FrameType::kOperationUnsupported: return "OperationUnsupported";
        case FrameType::kAuthTokenCheckFailed: return "AuthTokenCheckFailed";
        case FrameType::kErrorMessage: return "ErrorMessage";
        case FrameType::kKeepAlive: return "KeepAlive";
    }
    return "frame type " + std::to_string(static_cast<std::int32_t>(type));
}

}  // namespace millrace::wire
