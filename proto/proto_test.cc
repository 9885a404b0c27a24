// SPDX-License-Identifier: Apache-2.0
//
// Golden bytes of some messages, written out by hand. (golden_test.cc has all of them, from the page's tables.)
#include <gtest/gtest.h>

#include <string>

#include "common/base/bytes.h"
#include "proto/controller/controller.pb.h"

namespace millrace {
namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

std::string hex(const google::protobuf::MessageLite& message) { return to_hex(as_bytes(message.SerializeAsString())); }

TEST(ControllerProto, StreamInfoHasGoldenBytes) {
    pb::StreamInfo info;
    info.set_scope("s");
    info.set_stream("x");
    info.set_accessoperation(pb::StreamInfo::READ_WRITE);
    EXPECT_EQ(hex(info), "0a0173" "120178" "1805");
}

TEST(ControllerProto, SegmentRangesHasGoldenBytes) {
    pb::SegmentRanges ranges;
    auto& range = *ranges.add_segmentranges();
    range.mutable_segmentid()->mutable_streaminfo()->set_scope("s");
    range.mutable_segmentid()->mutable_streaminfo()->set_stream("x");
    range.mutable_segmentid()->set_segmentid(12884901895);  // number 7, epoch 3
    range.set_minkey(0.5);
    range.set_maxkey(1.0);
    ranges.set_delegationtoken("t");
    EXPECT_EQ(hex(ranges),
              "0a22"                        // segmentRanges
              "0a0e" "0a06" "0a0173" "120178"  // segmentId.streamInfo
              "108780808030"                // segmentId.segmentId
              "11000000000000e03f"          // minKey
              "19000000000000f03f"          // maxKey
              "120174");                    // delegationToken
}

TEST(ControllerProto, StreamConfigHasGoldenBytes) {
    pb::StreamConfig config;
    config.mutable_streaminfo()->set_scope("s");
    auto& scaling = *config.mutable_scalingpolicy();
    scaling.set_scaletype(pb::ScalingPolicy::BY_RATE_IN_EVENTS_PER_SEC);
    scaling.set_targetrate(100);
    scaling.set_scalefactor(2);
    scaling.set_minnumsegments(4);
    auto& retention = *config.mutable_retentionpolicy();
    retention.set_retentiontype(pb::RetentionPolicy::SIZE);
    retention.set_retentionparam(7);
    retention.set_retentionmax(9);
    config.mutable_tags()->add_tag("a");
    config.set_timestampaggregationtimeout(5);
    config.set_rolloversizebytes(6);
    EXPECT_EQ(hex(config),
              "0a03" "0a0173"
              "1208" "0802" "1064" "1802" "2004"
              "1a06" "0802" "1007" "1809"
              "2203" "0a0161"
              "2805" "3006");
}

TEST(ControllerProto, ScaleHasGoldenBytes) {
    pb::ScaleRequest request;
    request.mutable_streaminfo()->set_stream("x");
    request.add_sealedsegments(0);
    request.add_sealedsegments(1);
    auto& range = *request.add_newkeyranges();
    range.set_start(0.0);
    range.set_end(1.0);
    request.set_scaletimestamp(-1);
    EXPECT_EQ(hex(request),
              "0a03" "120178"
              "1202" "0001"                  // packed
              "1a09" "11000000000000f03f"    // 0.0 is not sent
              "20ffffffffffffffffff01");

    pb::ScaleResponse response;
    response.set_status(pb::ScaleResponse::PRECONDITION_FAILED);
    response.add_segments()->set_maxkey(1.0);
    response.set_epoch(3);
    EXPECT_EQ(hex(response), "0802" "1209" "19000000000000f03f" "1803");
}

TEST(ControllerProto, SuccessorsHaveGoldenBytes) {
    pb::SuccessorResponse response;
    auto& entry = *response.add_segments();
    entry.mutable_segment()->mutable_segmentid()->set_segmentid(2);
    entry.add_value(0);
    entry.add_value(1);
    EXPECT_EQ(hex(response), "0a0a" "0a04" "0a02" "1002" "1202" "0001");
}

TEST(ControllerProto, OddlyNumberedMessagesHaveGoldenBytes) {
    pb::ListCompletedTxnResponse completed;  // its only field is number 2
    completed.add_response()->set_status(pb::TxnResponse::ABORTED);
    EXPECT_EQ(hex(completed), "1202" "1001");

    pb::RemoveWriterRequest remove;
    remove.set_writer("w");
    remove.mutable_stream()->set_stream("x");
    EXPECT_EQ(hex(remove), "0a0177" "1203" "120178");

    pb::SegmentsAtTime head;
    head.add_segments()->set_offset(-1);
    EXPECT_EQ(hex(head), "0a0b" "10ffffffffffffffffff01");

    pb::StreamsInScopeResponse streams;
    streams.add_streams()->set_stream("x");
    streams.mutable_continuationtoken()->set_token("t");
    streams.set_status(pb::StreamsInScopeResponse::SCOPE_NOT_FOUND);
    EXPECT_EQ(hex(streams), "0a03" "120178" "1203" "0a0174" "1802");

    pb::StreamCut cut;
    (*cut.mutable_cut())[1] = 5;
    EXPECT_EQ(hex(cut), "1204" "0801" "1005");

    pb::ReaderGroupConfiguration group;
    group.set_retentiontype(2);
    group.set_readergroupid("i");
    group.set_rolloversizebytes(3);
    EXPECT_EQ(hex(group), "3002" "420169" "5803");
}

TEST(ControllerProto, EnumNumbersAreThoseOfTheProtocol) {
    EXPECT_EQ(pb::StreamInfo::READ, 3);
    EXPECT_EQ(pb::CreateScopeStatus::INVALID_SCOPE_NAME, 3);
    EXPECT_EQ(pb::DeleteScopeStatus::SCOPE_NOT_EMPTY, 3);
    EXPECT_EQ(pb::CreateStreamStatus::INVALID_STREAM_NAME, 4);
    EXPECT_EQ(pb::UpdateStreamStatus::STREAM_SEALED, 4);
    EXPECT_EQ(pb::DeleteStreamStatus::STREAM_NOT_SEALED, 3);
    EXPECT_EQ(pb::ScaleStatusResponse::INTERNAL_ERROR, 3);
    EXPECT_EQ(pb::PingTxnStatus::UNKNOWN, 7);
    EXPECT_EQ(pb::PingTxnStatus::COMMITTED, 5);
    EXPECT_EQ(pb::TxnState::ABORTED, 5);
    EXPECT_EQ(pb::TxnStatus::TRANSACTION_NOT_FOUND, 3);
    EXPECT_EQ(pb::UpdateSubscriberStatus::GENERATION_MISMATCH, 5);
    EXPECT_EQ(pb::UpdateReaderGroupResponse::INVALID_CONFIG, 3);
    EXPECT_EQ(pb::CreateReaderGroupResponse::INVALID_RG_NAME, 3);
}

TEST(ControllerProto, OldClientsWithoutNewFieldsAreUnderstood) {
    pb::StreamConfig config;  // streamInfo and scalingPolicy only
    ASSERT_TRUE(config.ParseFromString(std::string{as_text(from_hex("0a06 0a0173 120178 1202 2001"))}));
    EXPECT_EQ(config.scalingpolicy().minnumsegments(), 1);
    EXPECT_FALSE(config.has_retentionpolicy());
    EXPECT_FALSE(config.has_tags());
    EXPECT_EQ(config.rolloversizebytes(), 0);
}

}  // namespace
}  // namespace millrace
