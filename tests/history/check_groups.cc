// SPDX-License-Identifier: Apache-2.0
//
// V8. A reading is certain when its reader did not crash, or passed a checkpoint after it: its group knows of it then, and
// nobody else may get the event. What a reader got between its last checkpoint and its crash may be given to another
// one again. That every event is given to somebody is judged with V1, for groups that read to the end.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "tests/history/findings.h"

namespace millrace::history {

namespace {

using ReadRow = History::ReadRow;

struct GroupCheck {
    const History& h;
    Findings& findings;

    std::uint32_t group_of(const ReadRow& read) const { return h.readers[read.reader].group; }
    bool certain(std::uint32_t index) const {
        const History::ReaderRow& reader = h.readers[h.reads[index].reader];
        return !reader.crashed || h.read_intervals[index] < reader.checkpoints;
    }

    void each_event_once() {
        std::vector<std::uint32_t> order;
        for (std::uint32_t i = 0; i < h.reads.size(); ++i) {
            if (group_of(h.reads[i]) != History::kNone) order.push_back(i);
        }
        const auto key = [&](std::uint32_t i) {
            return std::tuple{group_of(h.reads[i]), h.reads[i].flow, h.reads[i].sequence};
        };
        std::sort(order.begin(), order.end(),
                  [&](std::uint32_t a, std::uint32_t b) { return std::tuple{key(a), a} < std::tuple{key(b), b}; });
        for (std::size_t begin = 0; begin < order.size();) {
            std::size_t end = begin + 1;
            while (end < order.size() && key(order[end]) == key(order[begin])) ++end;
            if (end > begin + 1) check_readings(order, begin, end);
            begin = end;
        }
    }

    void check_readings(const std::vector<std::uint32_t>& order, std::size_t begin, std::size_t end) {
        std::set<std::uint32_t> readers;
        const ReadRow* known = nullptr;
        for (std::size_t i = begin; i < end; ++i) {
            const ReadRow& read = h.reads[order[i]];
            const std::string& name = h.reader_names.text(read.reader);
            if (!readers.insert(read.reader).second) {
                findings.add(Rule::kReaderGroups, event_text(h, read.flow, read.sequence),
                             "reader " + name + " of group " + h.names.text(group_of(read)) + " got it twice");
                continue;
            }
            if (!certain(order[i])) continue;
            if (known != nullptr) {
                findings.add(Rule::kReaderGroups, event_text(h, read.flow, read.sequence),
                             "was assigned twice in group " + h.names.text(group_of(read)) + ": to reader " +
                                 h.reader_names.text(known->reader) + " and to reader " + name);
            }
            known = &read;
        }
        if (known == nullptr || known->time == kNoTime) return;
        for (std::size_t i = begin; i < end; ++i) {
            const ReadRow& read = h.reads[order[i]];
            if (certain(order[i]) || read.time == kNoTime || read.time <= known->time) continue;
            if (read.reader == known->reader) continue;
            findings.add(Rule::kReaderGroups, event_text(h, read.flow, read.sequence),
                         "reader " + h.reader_names.text(read.reader) + " got it after reader " +
                             h.reader_names.text(known->reader) + " had, which did not crash afterwards");
        }
    }

    struct Holding {
        std::uint32_t reader = 0;
        bool held = false;
        bool certain_offset = false;  // `offset` is where the last holder let go
        std::int64_t offset = 0;
    };

    void assignments() {
        if (h.assignments.empty()) return;
        std::vector<const Assignment*> order;
        for (const Assignment& one : h.assignments) order.push_back(&one);
        std::sort(order.begin(), order.end(), [](const Assignment* a, const Assignment* b) {
            return std::tie(a->group, a->revision, a) < std::tie(b->group, b->revision, b);
        });
        std::map<std::pair<std::uint32_t, std::uint32_t>, Holding> holdings;  // (group, segment)
        std::set<std::pair<std::uint32_t, std::uint32_t>> had;                // (reader, segment)
        std::set<std::uint32_t> groups;
        for (const Assignment* one : order) {
            const std::uint32_t group = h.names.find(one->group);
            const std::uint32_t reader = h.reader_names.find(one->reader);
            const std::uint32_t segment =
                h.segments.find({h.names.find(one->stream), h.names.find(one->segment), 0});
            groups.insert(group);
            had.insert({reader, segment});
            step(*one, reader, holdings[{group, segment}]);
        }
        std::set<std::pair<std::uint32_t, std::uint32_t>> reported;
        for (const ReadRow& read : h.reads) {
            if (!groups.contains(group_of(read)) || had.contains({read.reader, read.segment})) continue;
            if (!reported.insert({read.reader, read.segment}).second) continue;
            findings.add(Rule::kReaderGroups, event_text(h, read.flow, read.sequence),
                         "reader " + h.reader_names.text(read.reader) + " got it at " +
                             place_text(h, read.segment, read.offset) + ", a segment that it was never given");
        }
    }

    void step(const Assignment& one, std::uint32_t reader, Holding& holding) {
        const std::string what = "group " + one.group + " segment " + one.stream + "/" + one.segment;
        const std::string when = " in revision " + std::to_string(one.revision);
        const std::string& before = h.reader_names.text(holding.reader);
        if (!one.acquired) {
            if (!holding.held || holding.reader != reader) {
                findings.add(Rule::kReaderGroups, what, "reader " + one.reader + " let go of it" + when + " but did not have it");
            }
            holding = {reader, false, true, one.offset};
            return;
        }
        if (holding.held && holding.reader != reader && !h.readers[holding.reader].crashed) {
            findings.add(Rule::kReaderGroups, what,
                         "reader " + one.reader + " took it" + when + " while reader " + before + " had it");
        }
        if (!holding.held && holding.certain_offset && holding.offset != one.offset) {
            findings.add(Rule::kReaderGroups, what,
                         "reader " + one.reader + " took it" + when + " at " + std::to_string(one.offset) + "; reader " +
                             before + " had let go of it at " + std::to_string(holding.offset));
        }
        holding = {reader, true, false, one.offset};
    }
};

}  // namespace

void check_groups(const History& history, Findings& findings) {
    GroupCheck check{history, findings};
    if (!history.read_intervals.empty()) check.each_event_once();
    check.assignments();
}

}  // namespace millrace::history
