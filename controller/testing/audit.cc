// SPDX-License-Identifier: Apache-2.0
#include "controller/testing/audit.h"

#include <map>
#include <set>
#include <sstream>

#include "controller/stream/cut.h"
#include "controller/testing/cluster.h"

namespace millrace::controller {

namespace {

using records::StreamRecord;

struct Expected {
    bool sealed = false;
    std::int64_t start = 0;
};

std::vector<std::string> parts_of(const std::string& path) {
    std::vector<std::string> parts;
    std::istringstream in{path.substr(1)};
    for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
    return parts;
}

std::optional<records::EpochRecord> epoch_at(const Cluster& cluster, const StreamName& name, std::int32_t epoch) {
    const metadata::Node* node = cluster.metadata.peek(store::epoch_path(name, epoch).node);
    records::EpochRecord record;
    if (node == nullptr || !record.ParseFromString(node->value)) return std::nullopt;
    return record;
}

// The stream's segments, as its record and its history have them.
void expect_segments(const Cluster& cluster, const StreamName& name, const StreamRecord& record,
                     std::map<std::string, Expected>& expected, std::vector<std::string>& wrong) {
    const stream::Epoch current = store::to_epoch(record.current());
    if (!stream::check_tiles(current.segments)) wrong.push_back(name.to_string() + " has keys without a segment");
    std::map<SegmentId, stream::Segment> all;
    for (std::int32_t epoch = 0; epoch < current.epoch.number(); ++epoch) {
        const auto past = epoch_at(cluster, name, epoch);
        if (!past) {
            wrong.push_back(name.to_string() + " lacks the record of epoch " + std::to_string(epoch));
            continue;
        }
        for (const stream::Segment& segment : store::segments_created_in(*past)) all.emplace(segment.id, segment);
    }
    for (const stream::Segment& segment : current.segments) all.emplace(segment.id, segment);

    std::map<SegmentId, std::int64_t> offsets;
    std::vector<stream::CutEntry> entries;
    for (int i = 0; i < record.head().segments_size(); ++i) {
        const SegmentId id{record.head().segments(i)};
        offsets[id] = record.head().offsets(i);
        entries.push_back({all[id], record.head().offsets(i)});
    }
    for (const auto& [id, segment] : all) {
        if (!entries.empty()) {
            const Result<stream::Cut> head = stream::Cut::of(entries);
            if (!head) return wrong.push_back(name.to_string() + ": " + head.error().to_string());
            if (head->reading(segment) == stream::Reading::kDone) continue;
        }
        const bool open = record.state() == StreamRecord::ACTIVE && current.find(id) != nullptr;
        expected[segment_name(name, id)] = {!open, std::max<std::int64_t>(offsets[id], 0)};
    }
}

}  // namespace

std::vector<std::string> audit(const Cluster& cluster) {
    std::vector<std::string> wrong;
    std::map<std::string, Expected> expected;
    std::set<StreamName> streams;
    std::set<stream::ReaderGroupName> groups;
    std::set<StreamName> listed;  // of those with retention
    for (const std::string& path : cluster.metadata.paths()) {
        const std::vector<std::string> parts = parts_of(path);
        if (path.starts_with(store::kIntents) && store::listed_stream(parts.back()))
            wrong.push_back("an intent is left: " + path);
        // controller retention <b> <b> +<scope>+<name>
        if (path.starts_with(store::kRetention)) {
            if (const auto name = store::listed_stream(parts.back())) listed.insert(*name);
        }
        // controller scopes <b> +<scope> <b> +<name>
        if (parts.size() != 6 || !path.starts_with(store::kScopes)) continue;
        const std::string scope = store::listed_name(parts[3]).value_or("");
        const std::string name = store::listed_name(parts[5]).value_or("");
        if (!store::is_plain_bucket(parts[4]))
            groups.insert({scope, name});
        else
            streams.insert({scope, name});
    }
    for (const StreamName& name : streams) {
        const StreamRecord record = cluster.record(name).value();
        const bool at_rest = record.state() == StreamRecord::ACTIVE || record.state() == StreamRecord::SEALED;
        if (!at_rest || record.intent_case() != StreamRecord::INTENT_NOT_SET) {
            wrong.push_back(name.to_string() + " is not at rest: " + record.ShortDebugString());
        }
        expect_segments(cluster, name, record, expected, wrong);
        const bool was_listed = listed.erase(name) == 1;
        if (was_listed != store::has_retention(record)) {
            wrong.push_back(name.to_string() + (was_listed ? " is listed without a policy" : " has a policy and is not listed"));
        }
        const auto group = stream::group_of(name);
        if (group && !groups.contains(*group)) wrong.push_back(name.to_string() + " has no reader group");
        const auto marked = stream::marked_by(name);
        if (marked && !streams.contains(*marked)) wrong.push_back(name.to_string() + " marks nothing");
    }
    for (const stream::ReaderGroupName& group : groups) {
        if (!streams.contains(stream::state_of(group)))
            wrong.push_back("reader group " + group.to_string() + " has no stream");
    }
    for (const StreamName& name : listed) wrong.push_back(name.to_string() + " is listed and does not exist");
    for (const auto& [name, state] : cluster.segments.segments) {
        const auto found = expected.find(name);
        if (found == expected.end()) {
            wrong.push_back("nobody has the segment " + name);
            continue;
        }
        if (state.sealed != found->second.sealed)
            wrong.push_back(name + (state.sealed ? " is sealed" : " is not sealed"));
        if (state.start != found->second.start) wrong.push_back(name + " begins at " + std::to_string(state.start));
        expected.erase(found);
    }
    for (const auto& [name, state] : expected) wrong.push_back("the segment " + name + " is missing");
    return wrong;
}

}  // namespace millrace::controller
