// SPDX-License-Identifier: Apache-2.0
//
// V1 to V7. Writes and reads are sorted by event and walked side by side, so that all that is known of an event is
// looked at in one place; then reads are sorted by place; then walked in the order in which readers got them.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "tests/history/findings.h"

namespace millrace::history {

namespace {

using WriteRow = History::WriteRow;
using ReadRow = History::ReadRow;

// The records of a write as one.
struct WriteFate {
    bool written = false;
    Outcome outcome = Outcome::kUnknown;
    std::uint32_t length = 0;
    std::uint64_t hash = 0;
    std::uint32_t transaction = 0;
    Time begin = kNoTime;
};

struct TransactionFate {
    Outcome outcome = Outcome::kUnknown;
    Time commit_begin = kNoTime;
};

struct EventCheck {
    // Somebody who read a stream to its end.
    struct Complete {
        std::uint32_t stream;  // a name
        std::uint32_t reader = 0;
        bool is_group = false;
        std::uint32_t group = 0;
        Time begin = kNoTime;
        std::string name;
    };
    // What a complete reader saw of a transaction.
    struct Seen {
        std::uint64_t seen = 0;
        std::uint64_t missing = 0;  // acknowledged ones
        std::string one_seen;
        std::string one_missing;
    };

    const History& h;
    Findings& findings;
    std::vector<Complete> completes;
    std::map<std::uint32_t, std::vector<std::size_t>> completes_of;  // by stream
    std::map<std::uint32_t, TransactionFate> transactions;
    std::map<std::pair<std::size_t, std::uint32_t>, Seen> seen;  // by complete, transaction
    std::map<std::uint32_t, std::int64_t> cuts;                  // by segment: before it nothing need be there
    std::map<std::uint32_t, Time> last_cut;                      // by stream: when its last truncation was answered
    std::vector<std::uint32_t> transaction_of_read;              // parallel to reads; empty without transactions

    EventCheck(const History& history, Findings& to) : h{history}, findings{to} {
        for (const ReadToEnd& record : h.reads_to_end) add_complete(record);
        for (const Transaction& record : h.transaction_ends) add_transaction(record);
        for (const Truncation& record : h.truncations) add_truncation(record);
        if (h.transactions.size() > 1) transaction_of_read.resize(h.reads.size());
    }

    std::uint32_t segment_of(const Truncation& record) const {
        return h.segments.find({h.names.find(record.stream), h.names.find(record.segment), 0});
    }

    void add_complete(const ReadToEnd& record) {
        Complete complete;
        complete.stream = h.names.find(record.stream);
        complete.begin = record.begin;
        complete.is_group = !record.group.empty();
        if (complete.is_group) {
            complete.group = h.names.find(record.group);
            complete.name = "group " + record.group;
        } else {
            complete.reader = h.reader_names.find(record.reader);
            complete.name = "reader " + record.reader;
        }
        completes_of[complete.stream].push_back(completes.size());
        completes.push_back(std::move(complete));
    }

    void add_transaction(const Transaction& record) {
        const std::uint32_t number =
            h.transactions.find({h.names.find(record.stream), h.names.find(record.transaction), 0});
        TransactionFate& fate = transactions[number];
        const std::string name = record.stream + " transaction " + record.transaction;
        if (record.outcome != Outcome::kUnknown) {
            if (fate.outcome != Outcome::kUnknown && fate.outcome != record.outcome) {
                findings.add(Rule::kTransactions, name, "was said to be committed and to be aborted");
            }
            fate.outcome = record.outcome;
        }
        if (record.commit_begin != kNoTime) fate.commit_begin = record.commit_begin;
        if (record.open_max >= 0 && record.opened != kNoTime && record.ended != kNoTime &&
            record.ended - record.opened > record.open_max) {
            findings.add(Rule::kTransactions, name,
                         "was open for " + std::to_string(record.ended - record.opened) + " ns, at most " +
                             std::to_string(record.open_max) + " are allowed");
        }
    }

    void add_truncation(const Truncation& record) {
        const std::uint32_t stream = h.names.find(record.stream);
        const auto [cut, added] = cuts.emplace(segment_of(record), record.offset);
        if (!added) cut->second = std::max(cut->second, record.offset);
        const auto [last, first] = last_cut.emplace(stream, record.end);
        if (!first) last->second = std::max(last->second, record.end);
    }

    bool is_cut(const ReadRow& read) const {
        if (cuts.empty()) return false;
        const auto cut = cuts.find(read.segment);
        return cut != cuts.end() && read.offset < cut->second;
    }

    std::string text(std::uint32_t flow, std::uint64_t sequence) const { return event_text(h, flow, sequence); }
    std::string place(const ReadRow& read) const { return place_text(h, read.segment, read.offset); }
    const std::string& reader(const ReadRow& read) const { return h.reader_names.text(read.reader); }
    bool in_group(const ReadRow& read) const { return h.readers[read.reader].group != History::kNone; }

    bool belongs(const Complete& complete, const ReadRow& read) const {
        return complete.is_group ? h.readers[read.reader].group == complete.group : read.reader == complete.reader;
    }

    WriteFate merge(const std::vector<std::uint32_t>& order, std::size_t begin, std::size_t end) {
        WriteFate fate;
        for (std::size_t i = begin; i < end; ++i) {
            const WriteRow& row = h.writes[order[i]];
            if (!fate.written) {
                fate = {true, row.outcome, row.length, row.hash, row.transaction, row.begin};
                continue;
            }
            if (row.length != fate.length || row.hash != fate.hash || row.transaction != fate.transaction) {
                findings.add(Rule::kContent, text(row.flow, row.sequence),
                             "was logged as two different events with one number: its writer's log is not sound");
            }
            if (row.outcome != Outcome::kUnknown) {
                if (fate.outcome != Outcome::kUnknown && fate.outcome != row.outcome) {
                    findings.add(Rule::kFailedIsAbsent, text(row.flow, row.sequence),
                                 "was acknowledged and failed for certain");
                }
                fate.outcome = row.outcome;
            }
            if (row.begin != kNoTime) fate.begin = std::max(fate.begin, row.begin);
        }
        return fate;
    }

    // All records of one event.
    void check_event(const WriteFate& write, const std::vector<std::uint32_t>& order, std::size_t begin, std::size_t end,
                     std::uint32_t flow, std::uint64_t sequence, std::vector<bool>& lower_seen) {
        bool below_cut = false;
        for (std::size_t i = begin; i < end; ++i) {
            const ReadRow& read = h.reads[order[i]];
            if (!write.written) {
                findings.add(Rule::kContent, text(flow, sequence),
                             "nobody wrote it; reader " + reader(read) + " got it at " + place(read));
            } else if (read.length != write.length || read.hash != write.hash) {
                findings.add(Rule::kContent, text(flow, sequence),
                             "written with " + std::to_string(write.length) + " bytes, hash " +
                                 std::to_string(write.hash) + "; reader " + reader(read) + " got " +
                                 std::to_string(read.length) + " bytes, hash " + std::to_string(read.hash) + " at " +
                                 place(read));
            }
            if (write.outcome == Outcome::kFailed) {
                findings.add(Rule::kFailedIsAbsent, text(flow, sequence),
                             "failed for certain, but reader " + reader(read) + " got it at " + place(read));
            }
            const ReadRow& first = h.reads[order[begin]];
            if (read.segment != first.segment || read.offset != first.offset) {
                findings.add(Rule::kOnce, text(flow, sequence),
                             "is stored twice: at " + place(first) + " (reader " + reader(first) + ") and at " +
                                 place(read) + " (reader " + reader(read) + ")");
            } else if (i > begin && !in_group(read)) {
                const ReadRow& before = h.reads[order[i - 1]];
                if (before.reader == read.reader) {
                    findings.add(Rule::kOnce, text(flow, sequence), "reader " + reader(read) + " got it twice");
                }
            }
            if (is_cut(read)) below_cut = true;
            if (write.transaction != 0) check_transaction_read(write, read, flow, sequence, order[i]);
        }

        const auto found = completes_of.find(h.flows.tuple(flow).a);
        if (found == completes_of.end()) return;
        for (std::size_t nth = 0; nth < found->second.size(); ++nth) {
            const std::size_t number = found->second[nth];
            const Complete& complete = completes[number];
            const bool there = std::any_of(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                           order.begin() + static_cast<std::ptrdiff_t>(end),
                                           [&](std::uint32_t i) { return belongs(complete, h.reads[i]); });
            // Only what lies behind a cut may be missing: not what follows something of its key that is there,
            // nor what was begun after the last cut was made.
            const auto last = last_cut.find(complete.stream);
            const bool could_be_cut =
                last != last_cut.end() && !lower_seen[nth] &&
                (begin < end ? below_cut
                             : write.begin == kNoTime || last->second == kNoTime || write.begin < last->second);
            if (there) lower_seen[nth] = true;
            if (write.transaction != 0) {
                count_transaction(number, write, there, there || could_be_cut, flow, sequence);
                if (transactions[write.transaction].outcome != Outcome::kUnknown) continue;
            }
            if (there || could_be_cut) continue;
            if (begin < end) {
                const ReadRow& read = h.reads[order[begin]];
                const Rule rule = complete.is_group ? Rule::kReaderGroups : Rule::kOffsets;
                if (!findings.full(rule)) {
                    findings.add(rule, text(flow, sequence),
                                 "reader " + reader(read) + " got it at " + place(read) + ", but " + complete.name +
                                     ", which read to the end, did not");
                }
            }
            const bool said = complete.is_group && begin < end;
            if (write.outcome == Outcome::kAcked && write.transaction == 0 && !said) {
                report_missing(complete, flow, sequence);
            }
        }
    }

    void report_missing(const Complete& complete, std::uint32_t flow, std::uint64_t sequence) {
        const Rule rule = complete.is_group ? Rule::kReaderGroups : Rule::kAckedIsThere;
        if (findings.full(rule)) return;
        findings.add(rule, text(flow, sequence),
                     "acknowledged, but " + complete.name + ", which read to the end, did not get it");
    }

    void check_transaction_read(const WriteFate& write, const ReadRow& read, std::uint32_t flow, std::uint64_t sequence,
                                std::uint32_t index) {
        transaction_of_read[index] = write.transaction;
        const TransactionFate& fate = transactions[write.transaction];
        const std::string& name = h.names.text(h.transactions.tuple(write.transaction).b);
        if (fate.outcome == Outcome::kFailed) {
            findings.add(Rule::kTransactions, text(flow, sequence),
                         "its transaction " + name + " was aborted, but reader " + reader(read) + " got it at " + place(read));
        }
        if (fate.commit_begin != kNoTime && read.time != kNoTime && read.time < fate.commit_begin) {
            findings.add(Rule::kTransactions, text(flow, sequence),
                         "reader " + reader(read) + " got it at time " + std::to_string(read.time) +
                             ", before the commit of " + name + " was asked for at " + std::to_string(fate.commit_begin));
        }
    }

    void count_transaction(std::size_t complete, const WriteFate& write, bool there, bool excused, std::uint32_t flow,
                           std::uint64_t sequence) {
        Seen& counts = seen[{complete, write.transaction}];
        if (there) {
            if (counts.seen++ == 0) counts.one_seen = text(flow, sequence);
        } else if (!excused && write.outcome == Outcome::kAcked) {
            if (counts.missing++ == 0) counts.one_missing = text(flow, sequence);
        }
    }

    void by_event() {
        std::vector<std::uint32_t> writes(h.writes.size());
        std::iota(writes.begin(), writes.end(), 0U);
        const auto event = [](const auto& row) { return std::pair{row.flow, row.sequence}; };
        std::sort(writes.begin(), writes.end(), [&](std::uint32_t a, std::uint32_t b) {
            return std::tuple{event(h.writes[a]), a} < std::tuple{event(h.writes[b]), b};
        });
        std::vector<std::uint32_t> reads(h.reads.size());
        std::iota(reads.begin(), reads.end(), 0U);
        std::sort(reads.begin(), reads.end(), [&](std::uint32_t a, std::uint32_t b) {
            const ReadRow& left = h.reads[a];
            const ReadRow& right = h.reads[b];
            return std::tuple{event(left), left.reader, a} < std::tuple{event(right), right.reader, b};
        });

        std::size_t w = 0;
        std::size_t r = 0;
        std::optional<std::uint32_t> flow_before;
        std::vector<bool> lower_seen;
        while (w < writes.size() || r < reads.size()) {
            std::pair<std::uint32_t, std::uint64_t> next{};
            if (w == writes.size()) next = event(h.reads[reads[r]]);
            else if (r == reads.size()) next = event(h.writes[writes[w]]);
            else next = std::min(event(h.writes[writes[w]]), event(h.reads[reads[r]]));
            std::size_t w_end = w;
            while (w_end < writes.size() && event(h.writes[writes[w_end]]) == next) ++w_end;
            std::size_t r_end = r;
            while (r_end < reads.size() && event(h.reads[reads[r_end]]) == next) ++r_end;
            if (flow_before != next.first) {
                flow_before = next.first;
                const auto found = completes_of.find(h.flows.tuple(next.first).a);
                lower_seen.assign(found == completes_of.end() ? 0 : found->second.size(), false);
            }
            check_event(merge(writes, w, w_end), reads, r, r_end, next.first, next.second, lower_seen);
            w = w_end;
            r = r_end;
        }
    }

    void judge_transactions() {
        for (const auto& [which, counts] : seen) {
            const Complete& complete = completes[which.first];
            const Outcome outcome = transactions[which.second].outcome;
            const Tuples::Tuple& names = h.transactions.tuple(which.second);
            const std::string name = h.names.text(names.a) + " transaction " + h.names.text(names.b);
            if (counts.missing == 0) continue;
            if (outcome == Outcome::kAcked) {
                findings.add(Rule::kTransactions, name,
                             "was committed, but " + complete.name + " did not get " + std::to_string(counts.missing) +
                                 " of its events, among them " + counts.one_missing);
            } else if (counts.seen > 0) {
                findings.add(Rule::kTransactions, name,
                             complete.name + " got a part of it: " + counts.one_seen + ", but not " + counts.one_missing);
            }
        }
    }

    // Streams with acknowledged events that nobody read to the end: then nothing was proved.
    void judge_coverage() {
        std::map<std::uint32_t, std::uint64_t> acked;
        for (const WriteRow& write : h.writes) {
            if (write.outcome == Outcome::kAcked) ++acked[h.flows.tuple(write.flow).a];
        }
        for (const auto& [stream, count] : acked) {
            if (completes_of.contains(stream)) continue;
            findings.add(Rule::kAckedIsThere, h.names.text(stream),
                         std::to_string(count) + " events are acknowledged, but nobody read the stream to its end");
        }
    }

    // V6 and the pieces of V7.
    void by_place() {
        std::vector<std::uint32_t> order(h.reads.size());
        std::iota(order.begin(), order.end(), 0U);
        std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
            const ReadRow& left = h.reads[a];
            const ReadRow& right = h.reads[b];
            return std::tuple{left.segment, left.offset, a} < std::tuple{right.segment, right.offset, b};
        });
        std::map<std::uint32_t, std::uint32_t> ended_in;  // transaction -> the segment where its piece has ended
        std::uint32_t open = 0;                           // the transaction whose piece goes on
        const ReadRow* before = nullptr;
        for (const std::uint32_t index : order) {
            const ReadRow& read = h.reads[index];
            const bool same_segment = before != nullptr && before->segment == read.segment;
            if (!same_segment) open = 0;
            if (same_segment && before->offset == read.offset) {
                if (before->flow != read.flow || before->sequence != read.sequence || before->length != read.length ||
                    before->hash != read.hash) {
                    findings.add(Rule::kOffsets, place(read),
                                 "reader " + reader(*before) + " got " + text(before->flow, before->sequence) +
                                     " there, reader " + reader(read) + " got " + text(read.flow, read.sequence));
                }
                continue;
            }
            if (same_segment && read.offset < before->offset + static_cast<std::int64_t>(before->length)) {
                findings.add(Rule::kOffsets, place(read),
                             text(read.flow, read.sequence) + " begins within the " + std::to_string(before->length) +
                                 " bytes of " + text(before->flow, before->sequence) + " at " + place(*before));
            }
            before = &read;
            if (transaction_of_read.empty()) continue;
            const std::uint32_t transaction = transaction_of_read[index];
            if (transaction == open) continue;
            if (open != 0) ended_in[open] = read.segment;
            open = transaction;
            const auto ended = ended_in.find(transaction);
            if (transaction != 0 && ended != ended_in.end() && ended->second == read.segment) {
                findings.add(Rule::kTransactions, text(read.flow, read.sequence),
                             "other events lie between it, at " + place(read) + ", and earlier ones of its transaction " +
                                 h.names.text(h.transactions.tuple(transaction).b) + " in the same segment");
            }
        }
    }

    // V3, and the rest of V6: who began after a cut does not see what is before it.
    void by_reader() {
        std::unordered_map<std::uint64_t, std::uint64_t> last;  // (reader, flow) -> sequence
        last.reserve(h.flows.size());
        std::map<std::uint32_t, Time> began;
        for (const Complete& complete : completes) {
            if (!complete.is_group && complete.begin != kNoTime) began[complete.reader] = complete.begin;
        }
        std::map<std::uint32_t, std::pair<std::int64_t, Time>> cut_at;
        for (const Truncation& record : h.truncations) {
            if (record.end == kNoTime) continue;
            auto& [offset, end] = cut_at.emplace(segment_of(record), std::pair{record.offset, record.end}).first->second;
            if (record.offset > offset) std::tie(offset, end) = std::pair{record.offset, record.end};
        }
        for (const ReadRow& read : h.reads) {
            const std::uint64_t who = (std::uint64_t{read.reader} << 32) | read.flow;
            const auto [place_of_last, first] = last.emplace(who, read.sequence);
            if (!first) {
                if (read.sequence < place_of_last->second && !findings.full(Rule::kKeyOrder)) {
                    findings.add(Rule::kKeyOrder, text(read.flow, read.sequence),
                                 "reader " + reader(read) + " got it at " + place(read) + " after #" +
                                     std::to_string(place_of_last->second) + " of the same writer and key");
                }
                place_of_last->second = std::max(place_of_last->second, read.sequence);
            }
            if (cut_at.empty()) continue;
            const auto cut = cut_at.find(read.segment);
            const auto begin = began.find(read.reader);
            if (cut != cut_at.end() && begin != began.end() && read.offset < cut->second.first &&
                begin->second >= cut->second.second) {
                findings.add(Rule::kOffsets, text(read.flow, read.sequence),
                             "reader " + reader(read) + " began after the truncation at " +
                                 std::to_string(cut->second.first) + ", and got it from before: at " + place(read));
            }
        }
    }
};

}  // namespace

void check_events(const History& history, Findings& findings) {
    EventCheck check{history, findings};
    check.by_event();
    check.judge_transactions();
    check.judge_coverage();
    check.by_place();
    check.by_reader();
}

}  // namespace millrace::history
