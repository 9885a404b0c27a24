// SPDX-License-Identifier: Apache-2.0
//
// The calls of the controller's protocol (docs/protocol/controller.md): the names under which they travel, what
// they carry, what a caller must be allowed to, and which of them this version answers. Without protobuf's
// headers, so that clients and servers can name a call without including them. Constants; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/model/permission.h"

namespace millrace::proto {

inline constexpr std::string_view kControllerService = "io.pravega.controller.stream.api.grpc.v1.ControllerService";

// "/package.Service/<name>": how gRPC spells a call.
inline std::string controller_method(std::string_view name) {
    std::string path = "/";
    path.append(kControllerService).append("/").append(name);
    return path;
}

// On what a caller must hold its permission: the one that the request names. Streams that clients keep for themselves count as what they serve:
// "_RGx" as the reader group x, "_MARKx" as the stream x.
enum class Resource : std::uint8_t { kNone, kRoot, kScope, kStream, kKeyValueTable };
// What else decides.
enum class Rule : std::uint8_t {
    kAlways,
    kReadWithoutToken,        // kRead is enough when the request's accessOperation is NONE
    kReadForInternalStreams,  // kRead is enough for streams that clients keep for themselves
    kReadForReaderGroups,     // kRead is enough while readers may manage their groups, as by default
    kByOperation,             // the request's accessOperation says what is needed
    kListsReadable,           // and only such things are listed as the caller may read
};
// The delegation token in the reply.
enum class Token : std::uint8_t {
    kNone,         // the reply has no place for one
    kEmpty,        // always ""
    kRead,         // for reading
    kReadUpdate,   // for reading and writing
    kByOperation,  // for what the request's accessOperation says; "" where it is NONE
};
// Whether this version answers the call, or answers that it does not.
enum class Offer : std::uint8_t { kOffered, kNotYet };

struct ControllerMethod {
    std::string_view name;
    std::string_view request;  // names of messages of controller.proto
    std::string_view reply;
    Permission permission;
    Resource resource;
    Rule rule;
    Token token;
    Offer offer;

    std::string path() const { return controller_method(name); }
};

// Every call of the protocol has a row.
inline constexpr std::array<ControllerMethod, 46> kControllerMethods = {{
    {"getControllerServerList", "ServerRequest", "ServerResponse",
     Permission::kNone, Resource::kNone, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"createStream", "StreamConfig", "CreateStreamStatus",
     Permission::kReadUpdate, Resource::kScope, Rule::kReadForInternalStreams, Token::kNone, Offer::kOffered},
    {"updateStream", "StreamConfig", "UpdateStreamStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"truncateStream", "StreamCut", "UpdateStreamStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"sealStream", "StreamInfo", "UpdateStreamStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"deleteStream", "StreamInfo", "DeleteStreamStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"getCurrentSegments", "StreamInfo", "SegmentRanges",
     Permission::kReadUpdate, Resource::kStream, Rule::kReadWithoutToken, Token::kByOperation, Offer::kOffered},
    {"getEpochSegments", "GetEpochSegmentsRequest", "SegmentRanges",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kReadUpdate, Offer::kOffered},
    {"getSegments", "GetSegmentsRequest", "SegmentsAtTime",
     Permission::kReadUpdate, Resource::kStream, Rule::kReadWithoutToken, Token::kByOperation, Offer::kOffered},
    {"getSegmentsImmediatlyFollowing", "SegmentId", "SuccessorResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kEmpty, Offer::kOffered},
    {"getSegmentsImmediatelyFollowing", "SegmentId", "SuccessorResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kEmpty, Offer::kOffered},
    {"getSegmentsBetween", "StreamCutRange", "StreamCutRangeResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kRead, Offer::kOffered},
    {"scale", "ScaleRequest", "ScaleResponse",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"checkScale", "ScaleStatusRequest", "ScaleStatusResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"getURI", "SegmentId", "NodeUri",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"isSegmentValid", "SegmentId", "SegmentValidityResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"isStreamCutValid", "StreamCut", "StreamCutValidityResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"createTransaction", "CreateTxnRequest", "CreateTxnResponse",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kReadUpdate, Offer::kNotYet},
    {"commitTransaction", "TxnRequest", "TxnStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"abortTransaction", "TxnRequest", "TxnStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"pingTransaction", "PingTxnRequest", "PingTxnStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"checkTransactionState", "TxnRequest", "TxnState",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"listCompletedTransactions", "ListCompletedTxnRequest", "ListCompletedTxnResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"createScope", "ScopeInfo", "CreateScopeStatus",
     Permission::kReadUpdate, Resource::kRoot, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"listScopes", "ScopesRequest", "ScopesResponse",
     Permission::kRead, Resource::kRoot, Rule::kListsReadable, Token::kNone, Offer::kOffered},
    {"checkScopeExists", "ScopeInfo", "ExistsResponse",
     Permission::kRead, Resource::kScope, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"checkStreamExists", "StreamInfo", "ExistsResponse",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"listStreamsInScope", "StreamsInScopeRequest", "StreamsInScopeResponse",
     Permission::kRead, Resource::kScope, Rule::kListsReadable, Token::kNone, Offer::kOffered},
    {"deleteScope", "ScopeInfo", "DeleteScopeStatus",
     Permission::kReadUpdate, Resource::kRoot, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"deleteScopeRecursive", "ScopeInfo", "DeleteScopeStatus",
     Permission::kReadUpdate, Resource::kRoot, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"getDelegationToken", "StreamInfo", "DelegationToken",
     Permission::kReadUpdate, Resource::kStream, Rule::kByOperation, Token::kByOperation, Offer::kOffered},
    {"removeWriter", "RemoveWriterRequest", "RemoveWriterResponse",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"noteTimestampFromWriter", "TimestampFromWriter", "TimestampResponse",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"createKeyValueTable", "KeyValueTableConfig", "CreateKeyValueTableStatus",
     Permission::kReadUpdate, Resource::kScope, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"getCurrentSegmentsKeyValueTable", "KeyValueTableInfo", "SegmentRanges",
     Permission::kReadUpdate, Resource::kKeyValueTable, Rule::kAlways, Token::kReadUpdate, Offer::kNotYet},
    {"listKeyValueTablesInScope", "KVTablesInScopeRequest", "KVTablesInScopeResponse",
     Permission::kRead, Resource::kScope, Rule::kListsReadable, Token::kNone, Offer::kNotYet},
    {"getKeyValueTableConfiguration", "KeyValueTableInfo", "KeyValueTableConfigResponse",
     Permission::kRead, Resource::kKeyValueTable, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"deleteKeyValueTable", "KeyValueTableInfo", "DeleteKVTableStatus",
     Permission::kReadUpdate, Resource::kKeyValueTable, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"listSubscribers", "StreamInfo", "SubscribersResponse",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"updateSubscriberStreamCut", "SubscriberStreamCut", "UpdateSubscriberStatus",
     Permission::kReadUpdate, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kNotYet},
    {"createReaderGroup", "ReaderGroupConfiguration", "CreateReaderGroupResponse",
     Permission::kReadUpdate, Resource::kScope, Rule::kReadForReaderGroups, Token::kNone, Offer::kOffered},
    {"getReaderGroupConfig", "ReaderGroupInfo", "ReaderGroupConfigResponse",
     Permission::kRead, Resource::kScope, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"deleteReaderGroup", "ReaderGroupInfo", "DeleteReaderGroupStatus",
     Permission::kReadUpdate, Resource::kScope, Rule::kReadForReaderGroups, Token::kNone, Offer::kOffered},
    {"updateReaderGroup", "ReaderGroupConfiguration", "UpdateReaderGroupResponse",
     Permission::kReadUpdate, Resource::kScope, Rule::kReadForReaderGroups, Token::kNone, Offer::kOffered},
    {"getStreamConfiguration", "StreamInfo", "StreamConfig",
     Permission::kRead, Resource::kStream, Rule::kAlways, Token::kNone, Offer::kOffered},
    {"listStreamsInScopeForTag", "StreamsInScopeWithTagRequest", "StreamsInScopeResponse",
     Permission::kRead, Resource::kScope, Rule::kListsReadable, Token::kNone, Offer::kOffered},
}};

// By gRPC's spelling. Null: the protocol has no such call.
inline const ControllerMethod* find_controller_method(std::string_view path) {
    for (const ControllerMethod& method : kControllerMethods) {
        if (path.ends_with(method.name) && path == method.path()) return &method;
    }
    return nullptr;
}

}  // namespace millrace::proto
