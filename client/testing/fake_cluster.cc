// SPDX-License-Identifier: Apache-2.0
//
// The fake controller and segment store.
#include "client/testing/fake_cluster.h"

#include <algorithm>
#include <utility>

#include "common/base/binary.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"

namespace millrace::client::testing {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

struct FakeCluster::Peer {
    explicit Peer(Runtime runtime, std::unique_ptr<ByteStream> stream) : connection{runtime, std::move(stream)} {}

    struct Writer {
        std::int64_t last_acknowledged = kNoEventNumber;
        bool failed = false;
    };
    transport::Connection connection;
    wire::AppendAssembler assembler;
    std::map<WriterId, Writer> writers;
    std::vector<std::pair<WriterId, std::int64_t>> silent;
    std::vector<wire::ReadSegment> reads;

    void send(const wire::Message& message) {
        ByteBuffer frame;
        wire::encode(message, frame);
        connection.send(std::move(frame));
    }
};

class FakeChannel final : public rpc::Channel {
public:
    explicit FakeChannel(FakeCluster& cluster) : cluster_{cluster} {}

    Task<Result<std::string>> call(std::string method, std::string body, Deadline deadline, rpc::Metadata) override {
        if (cluster_.controller_delay.count() > 0) {
            co_await sleep_for(cluster_.runtime_.clock, cluster_.controller_delay);
        }
        if (deadline.passed(cluster_.runtime_.clock)) co_return Error{ErrorCode::kTimedOut, "too late"};
        co_return cluster_.answer(std::move(method), std::move(body));
    }
    Task<void> close() override { co_return; }

private:
    FakeCluster& cluster_;
};

std::vector<std::string> payloads_of(ByteView bytes) {
    std::vector<std::string> payloads;
    BigEndianReader reader{bytes};
    while (reader.remaining() > 0) {
        MR_CHECK(reader.i32() == 0);
        const std::uint32_t length = reader.u32();
        payloads.emplace_back(as_text(reader.bytes(length)));
        MR_CHECK(!reader.failed());
    }
    return payloads;
}

std::vector<std::string> FakeSegment::events() const { return payloads_of(data.view()); }

FakeCluster::FakeCluster(Runtime runtime, StreamName stream, std::size_t segments)
    : runtime_{runtime}, stream_{std::move(stream)} {
    for (std::size_t i = 0; i < segments; ++i) {
        FakeSegment segment;
        segment.id = SegmentId::of(next_number_++, StreamEpoch{0});
        const auto bound = [&](std::size_t n) { return static_cast<double>(n) / static_cast<double>(segments); };
        segment.range = {bound(i), bound(i + 1)};
        segments_.emplace(segment.id, std::move(segment));
    }
}

FakeCluster::~FakeCluster() = default;

Task<Result<void>> FakeCluster::start(std::string host, std::string bind) {
    MR_CO_TRY(listener_, co_await runtime_.network.listen(Endpoint{std::move(bind), 0}));
    endpoint_ = Endpoint{std::move(host), listener_->local().port};
    gate_.spawn(runtime_.executor, [this]() -> Task<void> { co_await accept_loop(); });
    co_return ok();
}

Task<void> FakeCluster::close() {
    gate_.shut();
    if (listener_) listener_->close();
    cut_connections();
    co_await gate_.close();
}

std::unique_ptr<rpc::Channel> FakeCluster::channel() { return std::make_unique<FakeChannel>(*this); }

void FakeCluster::cut_connections() {
    for (auto& peer : peers_) peer->connection.shut(Error{ErrorCode::kClosed, "cut"});
}

Task<void> FakeCluster::accept_loop() {
    while (!gate_.closed()) {
        auto stream = co_await listener_->accept();
        if (!stream) {
            if (stream.error().is(ErrorCode::kClosed)) co_return;
            continue;
        }
        if (refuse_connections || gate_.closed()) continue;
        ++connections_made;
        auto peer = std::make_shared<Peer>(runtime_, std::move(*stream));
        gate_.spawn(runtime_.executor, [this, peer]() -> Task<void> { co_await serve(peer); });
    }
}

Task<void> FakeCluster::serve(std::shared_ptr<Peer> peer) {
    peers_.push_back(peer);
    bool go_on = true;
    while (go_on && !gate_.closed()) {
        auto frames = co_await peer->connection.receive();
        if (!frames) break;
        for (const wire::Frame& frame : *frames) {
            auto message = wire::decode(frame);
            go_on = message.ok() && handle(*peer, std::move(*message));
            if (!go_on) break;
        }
    }
    peers_.remove(peer);
    co_await peer->connection.close_after_drain(Deadline::after(runtime_.clock, std::chrono::seconds{1}));
}

FakeSegment* FakeCluster::find(const std::string& name) {
    const auto parsed = parse_segment_name(name);
    if (!parsed || parsed->stream != stream_) return nullptr;
    const auto found = segments_.find(parsed->segment);
    return found == segments_.end() || found->second.deleted ? nullptr : &found->second;
}

bool FakeCluster::handle(Peer& peer, wire::Message message) {
    if (mute) return true;
    if (std::holds_alternative<wire::Hello>(message)) {
        peer.send(wire::Hello{});
    } else if (std::holds_alternative<wire::KeepAlive>(message)) {
        peer.send(wire::KeepAlive{});
    } else if (const auto* setup = std::get_if<wire::SetupAppend>(&message)) {
        ++setups;
        FakeSegment* const segment = find(setup->segment);
        if (segment == nullptr) {
            peer.send(wire::NoSuchSegment{setup->request_id, setup->segment, "", -1});
            return true;
        }
        if (!peer.assembler.setup_append(*setup)) return false;
        const auto last = segment->last_number.find(setup->writer_id);
        const std::int64_t number = last == segment->last_number.end() ? kNoEventNumber : last->second;
        peer.writers[setup->writer_id] = {number, false};
        peer.send(wire::AppendSetup{setup->request_id, setup->segment, setup->writer_id, number});
    } else if (auto* block = std::get_if<wire::AppendBlockEnd>(&message)) {
        return append(peer, std::move(*block));
    } else if (const auto* read = std::get_if<wire::ReadSegment>(&message)) {
        if (break_read && break_read()) return false;
        if (!try_read(peer, *read)) {
            if (peer.reads.size() >= kWaitingReadsMax) return false;
            peer.reads.push_back(*read);
        }
    } else if (const auto* ask = std::get_if<wire::GetStreamSegmentInfo>(&message)) {
        FakeSegment* const segment = find(ask->segment);
        if (segment == nullptr) {
            peer.send(wire::NoSuchSegment{ask->request_id, ask->segment, "", -1});
        } else {
            peer.send(wire::StreamSegmentInfo{ask->request_id, ask->segment, true, segment->sealed, false, 0,
                                              static_cast<std::int64_t>(segment->data.size()), segment->start_offset});
        }
    } else {
        return false;
    }
    return true;
}

bool FakeCluster::append(Peer& peer, wire::AppendBlockEnd block) {
    auto append = peer.assembler.append_block_end(std::move(block));
    if (!append) return false;
    ++appends;
    const WriterId id = append->writer->id;
    Peer::Writer& writer = peer.writers.at(id);
    if (writer.failed) return true;
    FakeSegment* const segment = find(append->writer->segment);
    if (segment == nullptr) {
        writer.failed = true;
        peer.send(wire::NoSuchSegment{append->request_id, append->writer->segment, "", -1});
        return true;
    }
    if (segment->sealed) {
        writer.failed = true;
        peer.send(wire::SegmentIsSealed{append->request_id, append->writer->segment, "", append->event_number});
        return true;
    }
    const AppendFate fate = on_append ? on_append(*segment, *append) : AppendFate::kStore;
    switch (fate) {
        case AppendFate::kBreakBefore: return false;
        case AppendFate::kRefuseNumber:
            peer.send(wire::InvalidEventNumber{id, append->request_id, "", append->event_number});
            return false;
        case AppendFate::kWrongHost:
            peer.send(wire::WrongHost{append->request_id, append->writer->segment, "", ""});
            return false;
        default: break;
    }
    // The compare-and-set of the real store: numbers of one writer only rise.
    std::int64_t& last = segment->last_number.try_emplace(id, kNoEventNumber).first->second;
    MR_CHECK(append->event_number > last);
    last = append->event_number;
    for (const Bytes& piece : append->data.pieces()) segment->data.append(piece);
    wake_reads();
    if (fate == AppendFate::kBreakAfter) return false;
    if (fate == AppendFate::kGarble) {
        peer.connection.send(from_hex("00000309 00000000"));
        return true;
    }
    if (fate == AppendFate::kStoreSilently) peer.silent.emplace_back(id, append->event_number);
    else acknowledge(peer, id, append->event_number);
    return true;
}

void FakeCluster::acknowledge(Peer& peer, const WriterId& writer, std::int64_t number) {
    std::int64_t& previous = peer.writers.at(writer).last_acknowledged;
    peer.send(wire::DataAppended{writer, number, previous, 0, 0});
    previous = number;
}

void FakeCluster::release() {
    for (auto& peer : peers_) {
        for (const auto& [writer, number] : std::exchange(peer->silent, {})) acknowledge(*peer, writer, number);
    }
}

bool FakeCluster::try_read(Peer& peer, const wire::ReadSegment& read) {
    const FakeSegment* const segment = find(read.segment);
    if (segment == nullptr) {
        peer.send(wire::NoSuchSegment{read.request_id, read.segment, "", read.offset});
        return true;
    }
    const auto length = static_cast<std::int64_t>(segment->data.size());
    if (read.offset < segment->start_offset) {
        peer.send(wire::SegmentIsTruncated{read.request_id, read.segment, segment->start_offset, "", read.offset});
        return true;
    }
    if (read.offset >= length && !segment->sealed) return false;
    if (read.offset > length) {
        peer.send(wire::ErrorMessage{read.request_id, read.segment, "offset beyond the end", 0});
        return true;
    }
    std::int64_t count = std::min<std::int64_t>(length - read.offset, std::max(read.suggested_length, 1));
    if (read_limit) count = std::min(count, static_cast<std::int64_t>(read_limit()));
    const bool end = segment->sealed && read.offset + count == length;
    const ByteView data = segment->data.view().subspan(static_cast<std::size_t>(read.offset), static_cast<std::size_t>(count));
    peer.send(wire::SegmentRead{read.segment, read.offset, !segment->sealed && read.offset + count == length, end,
                                Bytes::copy_of(data), read.request_id});
    return true;
}

void FakeCluster::wake_reads() {
    for (auto& peer : peers_) {
        std::erase_if(peer->reads, [&](const wire::ReadSegment& read) { return try_read(*peer, read); });
    }
}

std::size_t FakeCluster::waiting_reads() const {
    std::size_t count = 0;
    for (const auto& peer : peers_) count += peer->reads.size();
    return count;
}

std::vector<SegmentId> FakeCluster::prepare_scale(const std::vector<SegmentId>& old, const std::vector<KeyRange>& ranges) {
    ++epoch_;
    std::vector<SegmentId> made;
    for (const KeyRange& range : ranges) {
        FakeSegment segment;
        segment.id = SegmentId::of(next_number_++, StreamEpoch{epoch_});
        segment.range = range;
        for (const SegmentId id : old) {
            FakeSegment& before = segments_.at(id);
            if (!before.range.overlaps(range)) continue;
            segment.predecessors.push_back(id);
            before.successors.push_back(segment.id);
        }
        made.push_back(segment.id);
        segments_.emplace(segment.id, std::move(segment));
    }
    for (const SegmentId id : old) segments_.at(id).current = false;
    return made;
}

std::vector<SegmentId> FakeCluster::scale(const std::vector<SegmentId>& old, const std::vector<KeyRange>& ranges) {
    auto made = prepare_scale(old, ranges);
    for (const SegmentId id : old) seal(id);
    return made;
}

void FakeCluster::seal(SegmentId id) {
    FakeSegment& segment = segments_.at(id);
    segment.sealed = true;
    const std::string name = segment_name(stream_, id);
    for (auto& peer : peers_) {
        // Reads that wait at the end are told by the other of the two possible answers.
        std::erase_if(peer->reads, [&](const wire::ReadSegment& read) {
            if (read.segment != name) return false;
            peer->send(wire::SegmentIsSealed{read.request_id, name, "", read.offset});
            return true;
        });
    }
}

void FakeCluster::seal_stream() {
    sealed_ = true;
    for (auto& [id, segment] : segments_) {
        if (segment.current) seal(id);
        segment.current = false;
    }
}

void FakeCluster::truncate(SegmentId id, std::int64_t offset) { segments_.at(id).start_offset = offset; }

void FakeCluster::delete_stream() {
    stream_deleted_ = true;
    for (auto& [id, segment] : segments_) segment.deleted = true;
    wake_reads();
}

void FakeCluster::put(SegmentId id, std::string_view payload) {
    FakeSegment& segment = segments_.at(id);
    MR_CHECK(!segment.sealed);
    BigEndianWriter writer{segment.data};
    writer.i32(0);
    writer.u32(static_cast<std::uint32_t>(payload.size()));
    writer.bytes(as_bytes(payload));
    wake_reads();
}

std::vector<SegmentId> FakeCluster::current() const {
    std::vector<SegmentId> ids;
    for (const auto& [id, segment] : segments_) {
        if (segment.current) ids.push_back(id);
    }
    return ids;
}

namespace {

template <class Message>
Message parsed(const std::string& body) {
    Message message;
    MR_CHECK(message.ParseFromString(body));
    return message;
}

void fill_range(const StreamName& stream, const FakeSegment& segment, pb::SegmentRange* range) {
    range->mutable_segmentid()->mutable_streaminfo()->set_scope(stream.scope);
    range->mutable_segmentid()->mutable_streaminfo()->set_stream(stream.stream);
    range->mutable_segmentid()->set_segmentid(segment.id.value);
    range->set_minkey(segment.range.low);
    range->set_maxkey(segment.range.high);
}

}  // namespace

Result<std::string> FakeCluster::answer(std::string method, std::string body) {
    if (!reachable) return Error{ErrorCode::kUnavailable, "connection refused"};
    const auto is = [&](std::string_view name) { return method == proto::controller_method(name); };
    const Error not_found{ErrorCode::kNotFound, "stream not found"};
    if (is("getURI")) {
        ++uri_calls;
        pb::NodeUri reply;
        reply.set_endpoint(endpoint_.host);
        reply.set_port(endpoint_.port);
        return reply.SerializeAsString();
    }
    if (is("getCurrentSegments")) {
        const auto info = parsed<pb::StreamInfo>(body);
        if (stream_deleted_ || info.scope() != stream_.scope || info.stream() != stream_.stream) return not_found;
        pb::SegmentRanges reply;
        std::vector<const FakeSegment*> sorted;
        for (const auto& [id, segment] : segments_) {
            if (segment.current) sorted.push_back(&segment);
        }
        std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->range < b->range; });
        for (const FakeSegment* segment : sorted) fill_range(stream_, *segment, reply.add_segmentranges());
        return reply.SerializeAsString();
    }
    if (stream_deleted_) return not_found;
    if (is("getSegments")) {
        const auto info = parsed<pb::GetSegmentsRequest>(body).streaminfo();
        if (info.scope() != stream_.scope || info.stream() != stream_.stream) return not_found;
        pb::SegmentsAtTime reply;
        for (const auto& [id, segment] : segments_) {
            if (id.epoch() != StreamEpoch{0}) continue;
            auto* location = reply.add_segments();
            location->mutable_segmentid()->set_segmentid(id.value);
            location->set_offset(segment.start_offset);
        }
        return reply.SerializeAsString();
    }
    if (is("getSegmentsImmediatelyFollowing")) {
        const auto request = parsed<pb::SegmentId>(body);
        pb::SuccessorResponse reply;
        const auto found = segments_.find(SegmentId{request.segmentid()});
        if (found == segments_.end()) return not_found;
        for (const SegmentId id : found->second.successors) {
            const FakeSegment& successor = segments_.at(id);
            auto* entry = reply.add_segments();
            fill_range(stream_, successor, entry->mutable_segment());
            for (const SegmentId predecessor : successor.predecessors) entry->add_value(predecessor.value);
        }
        return reply.SerializeAsString();
    }
    if (is("getEpochSegments")) {
        const StreamEpoch epoch{parsed<pb::GetEpochSegmentsRequest>(body).epoch()};
        if (epoch > StreamEpoch{epoch_}) return not_found;
        pb::SegmentRanges reply;
        for (const auto& [id, segment] : segments_) {
            const bool replaced = !segment.successors.empty() && segment.successors.front().epoch() <= epoch;
            if (id.epoch() <= epoch && !replaced) fill_range(stream_, segment, reply.add_segmentranges());
        }
        return reply.SerializeAsString();
    }
    if (is("getStreamConfiguration")) {
        pb::StreamConfig reply;
        reply.mutable_scalingpolicy()->set_minnumsegments(1);
        return reply.SerializeAsString();
    }
    if (is("truncateStream")) {
        const auto request = parsed<pb::StreamCut>(body);
        asked_cut.clear();
        for (const auto& [segment, offset] : request.cut()) asked_cut[SegmentId{segment}] = offset;
        pb::UpdateStreamStatus reply;
        reply.set_status(pb::UpdateStreamStatus::SUCCESS);
        return reply.SerializeAsString();
    }
    if (is("scale")) {
        const auto request = parsed<pb::ScaleRequest>(body);
        std::vector<SegmentId> old;
        for (const std::int64_t id : request.sealedsegments()) old.push_back(SegmentId{id});
        std::vector<KeyRange> ranges;
        for (const auto& range : request.newkeyranges()) ranges.push_back({range.start(), range.end()});
        pb::ScaleResponse reply;
        reply.set_status(pb::ScaleResponse::STARTED);
        reply.set_epoch(epoch_);
        scale(old, ranges);
        return reply.SerializeAsString();
    }
    if (is("checkScale")) {
        pb::ScaleStatusResponse reply;
        reply.set_status(parsed<pb::ScaleStatusRequest>(body).epoch() < epoch_ ? pb::ScaleStatusResponse::SUCCESS
                                                                              : pb::ScaleStatusResponse::IN_PROGRESS);
        return reply.SerializeAsString();
    }
    return Error{ErrorCode::kUnsupported, "the fake controller does not know " + method};
}

namespace {

// "key#12" -> {"key", 12}
std::pair<std::string, std::uint64_t> key_and_number(const std::string& event) {
    const std::size_t mark = event.find('#');
    MR_CHECK(mark != std::string::npos);
    return {event.substr(0, mark), std::stoull(event.substr(mark + 1))};
}

}  // namespace

std::string check_order(const std::vector<std::string>& events, const std::map<std::string, std::uint64_t>& written) {
    std::map<std::string, std::uint64_t> next;
    for (const std::string& event : events) {
        const auto [key, number] = key_and_number(event);
        if (number != next[key]) {
            return "key " + key + ": event " + std::to_string(number) + " where " + std::to_string(next[key]) +
                   " was expected";
        }
        ++next[key];
    }
    for (const auto& [key, count] : written) {
        if (next[key] != count) {
            return "key " + key + ": " + std::to_string(next[key]) + " events of " + std::to_string(count);
        }
    }
    return "";
}

std::string check_stored(const FakeCluster& cluster, const std::map<std::string, std::uint64_t>& written) {
    // Ids order by age, so this is an order in which a reader could have read the segments.
    std::vector<std::string> events;
    for (const auto& [id, segment] : cluster.segments()) {
        for (std::string& event : segment.events()) events.push_back(std::move(event));
    }
    return check_order(events, written);
}

}  // namespace millrace::client::testing
