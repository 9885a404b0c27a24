// SPDX-License-Identifier: Apache-2.0
//
// All records of a run, packed: names are kept once, a write or a read costs 48 bytes, so that some millions
// of events fit. Records of one reader, and of one resource, are added in their order; apart from that any order will do.
// Thread rule: one thread.
#pragma once

#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/history/record.h"

namespace millrace::history {

// Texts as small numbers, in order of arrival.
class Names {
public:
    std::uint32_t number(std::string_view text);
    // REQUIRES: it has a number.
    std::uint32_t find(std::string_view text) const;
    const std::string& text(std::uint32_t number) const { return texts_[number]; }
    std::size_t size() const { return texts_.size(); }

private:
    std::deque<std::string> texts_;
    std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

// Tuples of numbers as one number.
class Tuples {
public:
    struct Tuple {
        std::uint32_t a = 0;
        std::uint32_t b = 0;
        std::uint32_t c = 0;
        bool operator==(const Tuple&) const = default;
    };
    std::uint32_t number(Tuple tuple);
    // REQUIRES: it has a number.
    std::uint32_t find(Tuple tuple) const;
    const Tuple& tuple(std::uint32_t number) const { return tuples_[number]; }
    std::size_t size() const { return tuples_.size(); }

private:
    struct Hash {
        std::size_t operator()(const Tuple& tuple) const;
    };
    std::vector<Tuple> tuples_;
    std::unordered_map<Tuple, std::uint32_t, Hash> numbers_;
};

class History {
public:
    static constexpr std::uint32_t kNone = 0;  // the empty name

    struct WriteRow {
        std::uint32_t flow;  // (stream, writer, key)
        std::uint32_t length;
        std::uint64_t sequence;
        std::uint64_t hash;
        Time begin;
        Time end;
        std::uint32_t transaction;  // (stream, name); kNone
        Outcome outcome;
    };
    struct ReadRow {
        std::uint32_t flow;
        std::uint32_t length;
        std::uint64_t sequence;
        std::uint64_t hash;
        std::int64_t offset;
        Time time;
        std::uint32_t segment;   // (stream, name)
        std::uint32_t reader;    // index of readers
    };
    struct ReaderRow {
        std::uint32_t group = kNone;  // a name
        bool crashed = false;
        std::uint32_t checkpoints = 0;
    };

    History();

    void add(const Record& record);

    std::uint64_t events() const { return writes.size() + reads.size(); }

    // For the checker.
    Names names;
    Tuples flows;          // stream, writer, key
    Tuples segments;       // stream, segment
    Tuples transactions;   // stream, transaction
    Names reader_names;    // parallel to readers
    std::vector<ReaderRow> readers;
    std::vector<WriteRow> writes;
    std::vector<ReadRow> reads;
    // The checkpoints that its reader had passed at each read of a reader in a group: parallel to reads
    // when there are groups at all, else empty.
    std::vector<std::uint32_t> read_intervals;
    std::vector<ReadToEnd> reads_to_end;
    std::vector<Truncation> truncations;
    std::vector<Transaction> transaction_ends;
    std::vector<Checkpoint> checkpoints;
    std::vector<Assignment> assignments;
    std::vector<Ownership> ownerships;
    std::vector<OwnerAck> owner_acks;
    std::vector<Measure> measures;
    std::vector<Fault> faults;
    std::vector<Exit> exits;
    std::vector<FailStop> fail_stops;
    std::vector<Count> counts;
    std::vector<Floor> floors;

private:
    void take(const Write& write);
    void take(const Read& read);
    void take(const Reader& reader);
    void take(const Checkpoint& checkpoint);
    void take(const ReaderCrash& crash);
    void take(const ReadToEnd& record);
    void take(const Truncation& record);
    void take(const Transaction& record);
    void take(const Assignment& record);
    void take(const Ownership& record) { ownerships.push_back(record); }
    void take(const OwnerAck& record) { owner_acks.push_back(record); }
    void take(const Measure& record) { measures.push_back(record); }
    void take(const Fault& record) { faults.push_back(record); }
    void take(const Exit& record) { exits.push_back(record); }
    void take(const FailStop& record) { fail_stops.push_back(record); }
    void take(const Count& record) { counts.push_back(record); }
    void take(const Floor& record) { floors.push_back(record); }

    std::uint32_t reader_number(std::string_view name);
    std::uint32_t flow_number(std::string_view stream, std::string_view writer, std::string_view key);
};

}  // namespace millrace::history
