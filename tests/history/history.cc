// SPDX-License-Identifier: Apache-2.0
#include "tests/history/history.h"

#include "common/base/check.h"

namespace millrace::history {

std::uint32_t Names::number(std::string_view text) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(texts_.size());
    numbers_.emplace(texts_.emplace_back(text), number);
    return number;
}

std::uint32_t Names::find(std::string_view text) const {
    const auto found = numbers_.find(text);
    MR_CHECK(found != numbers_.end());
    return found->second;
}

std::size_t Tuples::Hash::operator()(const Tuple& tuple) const {
    std::uint64_t mixed = tuple.a;
    for (const std::uint64_t next : {tuple.b, tuple.c}) mixed = (mixed ^ (mixed >> 29)) * 0x9e3779b97f4a7c15 + next;
    return (mixed ^ (mixed >> 32)) * 0x9e3779b97f4a7c15;
}

std::uint32_t Tuples::number(Tuple tuple) {
    const auto [found, added] = numbers_.emplace(tuple, static_cast<std::uint32_t>(tuples_.size()));
    if (added) tuples_.push_back(tuple);
    return found->second;
}

std::uint32_t Tuples::find(Tuple tuple) const {
    const auto found = numbers_.find(tuple);
    MR_CHECK(found != numbers_.end());
    return found->second;
}

History::History() {
    names.number("");
    flows.number({});
    segments.number({});
    transactions.number({});
}

void History::add(const Record& record) {
    std::visit([this](const auto& one) { take(one); }, record);
}

std::uint32_t History::reader_number(std::string_view name) {
    const std::uint32_t number = reader_names.number(name);
    if (number == readers.size()) readers.emplace_back();
    return number;
}

std::uint32_t History::flow_number(std::string_view stream, std::string_view writer, std::string_view key) {
    return flows.number({names.number(stream), names.number(writer), names.number(key)});
}

void History::take(const Write& write) {
    WriteRow row{};
    row.flow = flow_number(write.stream, write.writer, write.key);
    row.length = write.length;
    row.sequence = write.sequence;
    row.hash = write.hash;
    row.begin = write.begin;
    row.end = write.end;
    if (!write.transaction.empty()) {
        row.transaction = transactions.number({names.number(write.stream), names.number(write.transaction), 0});
    }
    row.outcome = write.outcome;
    writes.push_back(row);
}

void History::take(const Read& read) {
    ReadRow row{};
    row.reader = reader_number(read.reader);
    row.flow = flow_number(read.stream, read.writer, read.key);
    row.segment = segments.number({names.number(read.stream), names.number(read.segment), 0});
    row.length = read.length;
    row.sequence = read.sequence;
    row.hash = read.hash;
    row.offset = read.offset;
    row.time = read.time;
    const ReaderRow& reader = readers[row.reader];
    if (reader.group != kNone && read_intervals.size() < reads.size()) read_intervals.resize(reads.size());
    if (reader.group != kNone || !read_intervals.empty()) read_intervals.push_back(reader.checkpoints);
    reads.push_back(row);
}

void History::take(const Reader& reader) {
    const std::uint32_t number = reader_number(reader.reader);
    readers[number].group = names.number(reader.group);
}

void History::take(const Checkpoint& checkpoint) {
    ++readers[reader_number(checkpoint.reader)].checkpoints;
    checkpoints.push_back(checkpoint);
}

void History::take(const ReadToEnd& record) {
    names.number(record.stream);
    names.number(record.group);
    if (record.group.empty()) reader_number(record.reader);
    reads_to_end.push_back(record);
}

void History::take(const Truncation& record) {
    segments.number({names.number(record.stream), names.number(record.segment), 0});
    truncations.push_back(record);
}

void History::take(const Transaction& record) {
    transactions.number({names.number(record.stream), names.number(record.transaction), 0});
    transaction_ends.push_back(record);
}

void History::take(const Assignment& record) {
    names.number(record.group);
    reader_number(record.reader);
    segments.number({names.number(record.stream), names.number(record.segment), 0});
    assignments.push_back(record);
}

void History::take(const ReaderCrash& crash) { readers[reader_number(crash.reader)].crashed = true; }

}  // namespace millrace::history
