// SPDX-License-Identifier: Apache-2.0
//
// A controller on records that somebody else wrote: every call gets an answer or an error, and what is being done to
// the stream ends or fails. The input is the length of a stream's record, the record, and that of its first epoch.
//
// And a controller in order, whom somebody sends anything: the answer is one that the protocol has, and afterwards all is
// at rest. The input is the number of a call in the table of calls, and the bytes of its request.
#include <chrono>
#include <string>

#include "common/base/binary.h"
#include "common/metadata/testing/memory_metadata_store.h"
#include "controller/segments/testing/fake_segments.h"
#include "controller/service/handlers.h"
#include "controller/service/service.h"
#include "controller/store/paths.h"
#include "proto/controller/methods.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/sim/world.h"

namespace millrace::fuzz {
namespace {

using namespace millrace::controller;
namespace pb = service::pb;

constexpr std::size_t kControllerMemoryBytes = 16 * 1024 * 1024;
// As many segments as a stream may have, in the fake segment store too.
constexpr std::size_t kRequestMemoryBytes = 64 * 1024 * 1024;
const StreamName kStream{"s", "x"};

struct Controller {
    Controller(sim::World& world, metadata::MetadataStore& metadata, Runtime runtime)
        : store{metadata, world.clock()},
          engine{runtime, store, segments},
          service{runtime, store, segments, engine, {{"controller", 9090}, {"store", 12345}}} {}
    segments::FakeSegments segments;
    store::StreamStore store;
    workflow::Engine engine;
    service::Service service;
};

Task<void> put_records(store::StreamStore& store, metadata::MetadataStore& metadata, std::string stream,
                       std::string epoch) {
    MR_CHECK((co_await store.open()).ok() && (co_await store.create_scope(kStream.scope, {})).ok());
    const auto path = store::stream_path(kStream);
    const auto first_epoch = store::epoch_path(kStream, 0);
    const auto intent = store::intent_path(kStream);
    for (const auto& [node, value] : {std::pair{path.bucket, std::string{}},
                                      {path.node, stream},
                                      {first_epoch.bucket, ""},
                                      {first_epoch.node, epoch},
                                      {intent.bucket, ""},
                                      {intent.node, ""}}) {
        MR_CHECK((co_await metadata.create(node, value)).ok());
    }
}

Task<void> read_all(service::Service& service) {
    const pb::StreamInfo info = service::to_info(kStream);
    (void)co_await service.check_stream_exists(info);
    (void)co_await service.get_stream_configuration(info);
    const auto current = co_await service.get_current_segments(info);
    pb::GetEpochSegmentsRequest epoch;
    *epoch.mutable_streaminfo() = info;
    (void)co_await service.get_epoch_segments(epoch);
    pb::GetSegmentsRequest head;
    *head.mutable_streaminfo() = info;
    const auto first = co_await service.get_segments(head);
    pb::StreamCutRange between;
    *between.mutable_streaminfo() = info;
    pb::StreamCut cut;
    *cut.mutable_streaminfo() = info;
    if (first) {
        for (const auto& at : first->segments()) {
            (*between.mutable_from())[at.segmentid().segmentid()] = at.offset();
            (*cut.mutable_cut())[at.segmentid().segmentid()] = at.offset();
        }
    }
    (void)co_await service.get_segments_between(between);
    (void)co_await service.is_stream_cut_valid(cut);
    pb::ScaleStatusRequest status;
    *status.mutable_streaminfo() = info;
    (void)co_await service.check_scale(status);
    pb::SegmentId segment;
    *segment.mutable_streaminfo() = info;
    for (const std::int64_t id :
         {current && current->segmentranges_size() > 0 ? current->segmentranges(0).segmentid().segmentid() : 1,
          first && first->segments_size() > 0 ? first->segments(0).segmentid().segmentid() : 0}) {
        segment.set_segmentid(id);
        (void)co_await service.get_successors(segment);
        (void)co_await service.is_segment_valid(segment);
    }
}

Task<void> change_all(service::Service& service) {
    const pb::StreamInfo info = service::to_info(kStream);
    pb::ScaleRequest scale;
    *scale.mutable_streaminfo() = info;
    if (const auto current = co_await service.get_current_segments(info)) {
        for (const auto& range : current->segmentranges()) scale.add_sealedsegments(range.segmentid().segmentid());
    }
    auto& range = *scale.add_newkeyranges();
    range.set_start(0.0);
    range.set_end(1.0);
    (void)co_await service.scale(scale);
    pb::StreamCut cut;
    *cut.mutable_streaminfo() = info;
    if (const auto current = co_await service.get_current_segments(info)) {
        for (const auto& range : current->segmentranges()) (*cut.mutable_cut())[range.segmentid().segmentid()] = 0;
    }
    (void)co_await service.truncate_stream(cut);
    pb::StreamConfig config;
    *config.mutable_streaminfo() = info;
    config.mutable_scalingpolicy()->set_minnumsegments(2);
    (void)co_await service.update_stream(config);
    (void)co_await service.seal_stream(info);
    (void)co_await service.delete_stream(info);
}

// Something for every call: a stream that was scaled, its marks, a reader group.
Task<void> set_up(service::Service& service) {
    pb::ScopeInfo scope;
    scope.set_scope(kStream.scope);
    MR_CHECK((co_await service.create_scope(scope)).ok());
    pb::StreamConfig config;
    *config.mutable_streaminfo() = service::to_info(kStream);
    config.mutable_scalingpolicy()->set_minnumsegments(1);
    MR_CHECK((co_await service.create_stream(config)).ok());
    pb::ScaleRequest scale;
    *scale.mutable_streaminfo() = service::to_info(kStream);
    scale.add_sealedsegments(0);
    for (const double begin : {0.0, 0.5}) {
        auto& range = *scale.add_newkeyranges();
        range.set_start(begin);
        range.set_end(begin + 0.5);
    }
    MR_CHECK((co_await service.scale(scale)).ok());
    pb::ReaderGroupConfiguration group;
    group.set_scope(kStream.scope);
    group.set_readergroupname("g");
    group.set_readergroupid("00000000-0000-4000-8000-000000000001");
    group.set_maxoutstandingcheckpointrequest(1);
    *group.add_startingstreamcuts()->mutable_streaminfo() = service::to_info(kStream);
    MR_CHECK((co_await service.create_reader_group(group)).ok());
}

bool is_refusal(ErrorCode code) {
    return code == ErrorCode::kInvalidArgument || code == ErrorCode::kNotFound || code == ErrorCode::kTooLarge;
}

}  // namespace

void controller_requests(ByteView input) {
    const AllocationBound bound{kRequestMemoryBytes};
    LittleEndianReader in{input};
    const std::size_t row = in.u8() % proto::kControllerMethods.size();
    rpc::Request request;
    request.method = proto::kControllerMethods[row].path();
    request.body = std::string{as_text(in.rest())};
    sim::World world{1};
    sim::Node& node = world.add_node("controller");
    metadata::MemoryMetadataStore metadata{world.clock()};
    Controller controller{world, metadata, node.runtime()};
    world.run([&]() -> Task<void> {
        MR_CHECK((co_await controller.store.open()).ok());
        co_await set_up(controller.service);
    });
    world.run_for(std::chrono::seconds{1});
    const auto handlers = service::handlers(controller.service);
    const auto found = handlers.find(request.method);
    if (found != handlers.end()) {
        const Result<std::string> reply =
            world.run([&]() -> Task<Result<std::string>> { co_return co_await found->second(request); });
        MR_CHECK(reply.ok() || is_refusal(reply.error().code()));
        MR_CHECK(!reply.ok() || reply->size() <= rpc::kMaxMessageBytes);
    }
    world.run_for(std::chrono::seconds{10});
    MR_CHECK(world.run([&] { return controller.store.unfinished(); })->empty());
    controller.engine.stop();
    world.run([&] { return controller.engine.close(); });
}

void controller_records(ByteView input) {
    const AllocationBound bound{kControllerMemoryBytes};
    LittleEndianReader in{input};
    const std::size_t size = in.u16();
    const std::string stream{as_text(in.bytes(std::min(size, in.remaining())))};
    const std::string epoch{as_text(in.rest())};
    sim::World world{1};
    sim::Node& node = world.add_node("controller");
    metadata::MemoryMetadataStore metadata{world.clock()};
    Controller controller{world, metadata, node.runtime()};
    world.run([&] { return put_records(controller.store, metadata, stream, epoch); });
    world.run([&] { return read_all(controller.service); });
    MR_CHECK(world.run([&] { return controller.engine.resume(); }).ok());
    world.run_for(std::chrono::seconds{10});
    world.run([&] { return read_all(controller.service); });
    world.run([&] { return change_all(controller.service); });
    world.run([&] { return read_all(controller.service); });
    controller.engine.stop();
    world.run([&] { return controller.engine.close(); });
}

}  // namespace millrace::fuzz
