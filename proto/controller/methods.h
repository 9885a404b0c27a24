// SPDX-License-Identifier: Apache-2.0
//
// The names under which the controller's calls travel (docs/protocol/controller.md). Without
// protobuf's headers, so that clients and servers can name a call without including them.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace millrace::proto {

inline constexpr std::string_view kControllerService = "io.pravega.controller.stream.api.grpc.v1.ControllerService";

// "/package.Service/<name>": how gRPC spells a call.
inline std::string controller_method(std::string_view name) {
    std::string path = "/";
    path.append(kControllerService).append("/").append(name);
    return path;
}

inline constexpr std::array<std::string_view, 46> kControllerMethods = {
    "getControllerServerList",
    "createStream",
    "updateStream",
    "truncateStream",
    "sealStream",
    "deleteStream",
    "getCurrentSegments",
    "getEpochSegments",
    "getSegments",
    "getSegmentsImmediatlyFollowing",
    "getSegmentsImmediatelyFollowing",
    "getSegmentsBetween",
    "scale",
    "checkScale",
    "getURI",
    "isSegmentValid",
    "isStreamCutValid",
    "createTransaction",
    "commitTransaction",
    "abortTransaction",
    "pingTransaction",
    "checkTransactionState",
    "listCompletedTransactions",
    "createScope",
    "listScopes",
    "checkScopeExists",
    "checkStreamExists",
    "listStreamsInScope",
    "deleteScope",
    "deleteScopeRecursive",
    "getDelegationToken",
    "removeWriter",
    "noteTimestampFromWriter",
    "createKeyValueTable",
    "getCurrentSegmentsKeyValueTable",
    "listKeyValueTablesInScope",
    "getKeyValueTableConfiguration",
    "deleteKeyValueTable",
    "listSubscribers",
    "updateSubscriberStreamCut",
    "createReaderGroup",
    "getReaderGroupConfig",
    "deleteReaderGroup",
    "updateReaderGroup",
    "getStreamConfiguration",
    "listStreamsInScopeForTag",
};

}  // namespace millrace::proto
