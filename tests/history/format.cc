// SPDX-License-Identifier: Apache-2.0
#include "tests/history/format.h"

#include <array>
#include <charconv>
#include <istream>
#include <ostream>

namespace millrace::history {

namespace {

constexpr std::string_view kHead = "millrace-history 1";
constexpr std::size_t kFieldsMax = 16;
constexpr std::size_t kLineMax = 1024 * 1024;

constexpr std::array<std::string_view, 3> kOutcomes{"unknown", "acked", "failed"};
constexpr std::array<std::string_view, 4> kExitKinds{"ordered", "injected", "fail_stop", "other"};

void append_encoded(std::string& out, std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f && c != '%') {
            out += c;
        } else {
            out += '%';
            out += kDigits[byte >> 4];
            out += kDigits[byte & 15];
        }
    }
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Each record type has one function `fields(visitor, record)` that names its fields once for both directions.
// A field that has its default value is left out of a line.
template <class V> void fields(V& v, Write& r) {
    v.text("stream", r.stream);
    v.text("writer", r.writer);
    v.text("key", r.key);
    v.number("seq", r.sequence);
    v.number("len", r.length);
    v.number("hash", r.hash);
    v.choice("outcome", r.outcome, kOutcomes);
    v.text("txn", r.transaction, true);
    v.number("begin", r.begin, kNoTime);
    v.number("end", r.end, kNoTime);
}
template <class V> void fields(V& v, Reader& r) {
    v.text("reader", r.reader);
    v.text("group", r.group, true);
}
template <class V> void fields(V& v, Read& r) {
    v.text("reader", r.reader);
    v.text("stream", r.stream);
    v.text("segment", r.segment);
    v.number("offset", r.offset);
    v.text("writer", r.writer);
    v.text("key", r.key);
    v.number("seq", r.sequence);
    v.number("len", r.length);
    v.number("hash", r.hash);
    v.number("time", r.time, kNoTime);
}
template <class V> void fields(V& v, ReadToEnd& r) {
    v.text("reader", r.reader, true);
    v.text("group", r.group, true);
    v.text("stream", r.stream);
    v.number("begin", r.begin, kNoTime);
}
template <class V> void fields(V& v, Truncation& r) {
    v.text("stream", r.stream);
    v.text("segment", r.segment);
    v.number("offset", r.offset, std::numeric_limits<std::int64_t>::max());
    v.number("end", r.end, kNoTime);
}
template <class V> void fields(V& v, Transaction& r) {
    v.text("stream", r.stream);
    v.text("txn", r.transaction);
    v.choice("outcome", r.outcome, kOutcomes);
    v.number("commit_begin", r.commit_begin, kNoTime);
    v.number("opened", r.opened, kNoTime);
    v.number("ended", r.ended, kNoTime);
    v.number("open_max", r.open_max, -1);
}
template <class V> void fields(V& v, Checkpoint& r) {
    v.text("reader", r.reader);
    v.text("checkpoint", r.checkpoint);
}
template <class V> void fields(V& v, ReaderCrash& r) { v.text("reader", r.reader); }
template <class V> void fields(V& v, Assignment& r) {
    v.text("group", r.group);
    v.text("reader", r.reader);
    v.text("stream", r.stream);
    v.text("segment", r.segment);
    v.number("offset", r.offset);
    v.number("revision", r.revision);
}
template <class V> void fields(V& v, Ownership& r) {
    v.text("resource", r.resource);
    v.text("owner", r.owner);
    v.number("epoch", r.epoch);
    v.number("time", r.time, kNoTime);
}
template <class V> void fields(V& v, OwnerAck& r) {
    v.text("resource", r.resource);
    v.text("owner", r.owner);
    v.number("epoch", r.epoch);
    v.number("position", r.position, -1);
    v.number("begin", r.begin, kNoTime);
    v.number("end", r.end, kNoTime);
}
template <class V> void fields(V& v, Measure& r) {
    v.text("name", r.name);
    v.text("of", r.of, true);
    v.number("value", r.value);
    v.number("limit", r.limit);
}
template <class V> void fields(V& v, Fault& r) {
    v.text("fault", r.fault);
    v.text("process", r.process, true);
}
template <class V> void fields(V& v, Exit& r) {
    v.text("process", r.process);
    v.choice("kind", r.kind, kExitKinds);
    v.text("reason", r.reason, true);
}
template <class V> void fields(V& v, FailStop& r) { v.text("reason", r.reason); }
template <class V> void fields(V& v, Count& r) {
    v.text("name", r.name);
    v.number("value", r.value);
}
template <class V> void fields(V& v, Floor& r) {
    v.text("name", r.name);
    v.number("value", r.value);
}

std::string_view kind_of(const Record& record) {
    struct Kind {
        std::string_view operator()(const Write&) const { return "write"; }
        std::string_view operator()(const Reader&) const { return "reader"; }
        std::string_view operator()(const Read&) const { return "read"; }
        std::string_view operator()(const ReadToEnd&) const { return "read_to_end"; }
        std::string_view operator()(const Truncation&) const { return "truncation"; }
        std::string_view operator()(const Transaction&) const { return "transaction"; }
        std::string_view operator()(const Checkpoint&) const { return "checkpoint"; }
        std::string_view operator()(const ReaderCrash&) const { return "reader_crash"; }
        std::string_view operator()(const Assignment& r) const { return r.acquired ? "acquired" : "released"; }
        std::string_view operator()(const Ownership&) const { return "ownership"; }
        std::string_view operator()(const OwnerAck&) const { return "owner_ack"; }
        std::string_view operator()(const Measure&) const { return "measure"; }
        std::string_view operator()(const Fault&) const { return "fault"; }
        std::string_view operator()(const Exit&) const { return "exit"; }
        std::string_view operator()(const FailStop&) const { return "fail_stop"; }
        std::string_view operator()(const Count&) const { return "count"; }
        std::string_view operator()(const Floor&) const { return "floor"; }
    };
    return std::visit(Kind{}, record);
}

class LineMaker {
public:
    explicit LineMaker(std::string_view kind) : line_{kind} {}

    void text(std::string_view name, const std::string& value, bool optional = false) {
        if (optional && value.empty()) return;
        begin(name);
        append_encoded(line_, value);
    }
    template <class T>
    void number(std::string_view name, T value) {
        begin(name);
        line_ += std::to_string(value);
    }
    template <class T>
    void number(std::string_view name, T value, std::int64_t left_out) {
        if (value != left_out) number(name, value);
    }
    template <class T, std::size_t N>
    void choice(std::string_view name, T value, const std::array<std::string_view, N>& names) {
        begin(name);
        line_ += names[static_cast<std::size_t>(value)];
    }
    std::string take() { return std::move(line_); }

private:
    void begin(std::string_view name) {
        line_ += ' ';
        line_ += name;
        line_ += '=';
    }
    std::string line_;
};

class LineReader {
public:
    explicit LineReader(std::string_view line) {
        kind_ = cut(line);
        while (!line.empty() && problem_.empty()) {
            const std::string_view field = cut(line);
            const std::size_t equals = field.find('=');
            if (equals == std::string_view::npos) fail("'" + std::string{field} + "' is not name=value");
            else if (count_ == kFieldsMax) fail("more than " + std::to_string(kFieldsMax) + " fields");
            else fields_[count_++] = {field.substr(0, equals), field.substr(equals + 1), false};
        }
    }

    std::string_view kind() const { return kind_; }

    void text(std::string_view name, std::string& value, bool optional = false) {
        const std::string_view* raw = find(name, optional);
        if (raw == nullptr) return;
        value.clear();
        for (std::size_t i = 0; i < raw->size(); ++i) {
            if ((*raw)[i] != '%') {
                value += (*raw)[i];
                continue;
            }
            const int high = i + 2 < raw->size() ? hex_digit((*raw)[i + 1]) : -1;
            const int low = i + 2 < raw->size() ? hex_digit((*raw)[i + 2]) : -1;
            if (high < 0 || low < 0) {
                fail("'" + std::string{name} + "' has a % without two hex digits");
                return;
            }
            value += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    template <class T>
    void number(std::string_view name, T& value) {
        parse(name, find(name, false), value);
    }
    template <class T>
    void number(std::string_view name, T& value, std::int64_t) {
        parse(name, find(name, true), value);
    }
    template <class T, std::size_t N>
    void choice(std::string_view name, T& value, const std::array<std::string_view, N>& names) {
        const std::string_view* raw = find(name, false);
        if (raw == nullptr) return;
        for (std::size_t i = 0; i < N; ++i) {
            if (names[i] != *raw) continue;
            value = static_cast<T>(i);
            return;
        }
        fail("'" + std::string{name} + "' is '" + std::string{*raw} + "'");
    }

    // Empty: all was well, and nothing is left over.
    std::string finish() {
        for (std::size_t i = 0; i < count_; ++i) {
            if (!fields_[i].used) fail("'" + std::string{fields_[i].name} + "' is given twice or is no field of it");
        }
        return std::move(problem_);
    }

private:
    struct Field {
        std::string_view name;
        std::string_view value;
        bool used = false;
    };

    static std::string_view cut(std::string_view& line) {
        const std::size_t blank = line.find(' ');
        const std::string_view part = line.substr(0, blank);
        line = blank == std::string_view::npos ? std::string_view{} : line.substr(blank + 1);
        return part;
    }

    const std::string_view* find(std::string_view name, bool optional) {
        for (std::size_t i = 0; i < count_; ++i) {
            if (fields_[i].name != name) continue;
            fields_[i].used = true;
            return &fields_[i].value;
        }
        if (!optional) fail("'" + std::string{name} + "' is missing");
        return nullptr;
    }

    template <class T>
    void parse(std::string_view name, const std::string_view* raw, T& value) {
        if (raw == nullptr) return;
        const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), value);
        if (error != std::errc{} || end != raw->data() + raw->size()) {
            fail("'" + std::string{name} + "' is '" + std::string{*raw} + "', no number or one out of range");
        }
    }

    void fail(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
    }

    std::string_view kind_;
    std::array<Field, kFieldsMax> fields_{};
    std::size_t count_ = 0;
    std::string problem_;
};

Assignment released() {
    Assignment assignment;
    assignment.acquired = false;
    return assignment;
}

// Sets `record` to an empty one of that kind.
bool begin_record(std::string_view kind, Record& record) {
    if (kind == "write") record = Write{};
    else if (kind == "read") record = Read{};
    else if (kind == "reader") record = Reader{};
    else if (kind == "read_to_end") record = ReadToEnd{};
    else if (kind == "truncation") record = Truncation{};
    else if (kind == "transaction") record = Transaction{};
    else if (kind == "checkpoint") record = Checkpoint{};
    else if (kind == "reader_crash") record = ReaderCrash{};
    else if (kind == "acquired") record = Assignment{};
    else if (kind == "released") record = released();
    else if (kind == "ownership") record = Ownership{};
    else if (kind == "owner_ack") record = OwnerAck{};
    else if (kind == "measure") record = Measure{};
    else if (kind == "fault") record = Fault{};
    else if (kind == "exit") record = Exit{};
    else if (kind == "fail_stop") record = FailStop{};
    else if (kind == "count") record = Count{};
    else if (kind == "floor") record = Floor{};
    else return false;
    return true;
}

// What its fields alone cannot say.
std::string problem_of(const Record& record) {
    if (const auto* end = std::get_if<ReadToEnd>(&record); end != nullptr && end->reader.empty() == end->group.empty()) {
        return "needs a reader or a group, one of the two";
    }
    return {};
}

Error bad_line(std::uint64_t number, const std::string& problem) {
    return Error{ErrorCode::kCorrupt, "line " + std::to_string(number) + ": " + problem};
}

}  // namespace

std::string to_line(const Record& record) {
    LineMaker maker{kind_of(record)};
    // The functions take what they could change; a maker changes nothing.
    std::visit([&](auto copy) { fields(maker, copy); }, record);
    return maker.take();
}

Result<Record> parse_line(std::string_view line) {
    LineReader reader{line};
    Record record;
    if (!begin_record(reader.kind(), record)) {
        return Error{ErrorCode::kCorrupt, "'" + std::string{reader.kind()} + "' is no kind of record"};
    }
    std::visit([&](auto& one) { fields(reader, one); }, record);
    std::string problem = reader.finish();
    if (problem.empty()) problem = problem_of(record);
    if (!problem.empty()) return Error{ErrorCode::kCorrupt, std::string{reader.kind()} + ": " + problem};
    return record;
}

HistoryWriter::HistoryWriter(std::ostream& out) : out_{out} { out_ << kHead << '\n'; }

void HistoryWriter::add(const Record& record) {
    out_ << to_line(record) << '\n';
    ++records_;
}

void HistoryWriter::finish() { out_ << "end " << records_ << '\n' << std::flush; }

Result<void> read_history(std::istream& in, bool may_be_cut_off, History& into) {
    std::string line;
    std::uint64_t number = 0;
    std::uint64_t records = 0;
    bool inside = false;
    bool any = false;
    while (std::getline(in, line)) {
        ++number;
        if (line.size() > kLineMax) return bad_line(number, "more than " + std::to_string(kLineMax) + " bytes");
        if (in.eof()) {
            // No end of line: a program that was killed left it.
            if (may_be_cut_off) return ok();
            return bad_line(number, "is cut off");
        }
        if (line == kHead) {
            if (inside && !may_be_cut_off) return bad_line(number, "a file begins within another, which has no end");
            inside = any = true;
            records = 0;
            continue;
        }
        if (!inside) return bad_line(number, "'" + std::string{kHead} + "' has to come first");
        if (line.starts_with("end ")) {
            if (line != "end " + std::to_string(records)) {
                return bad_line(number, "it has " + std::to_string(records) + " records, but says '" + line + "'");
            }
            inside = false;
            continue;
        }
        auto record = parse_line(line);
        if (!record) return bad_line(number, record.error().detail());
        into.add(*record);
        ++records;
    }
    if (!any) return Error{ErrorCode::kCorrupt, "no history: it is empty"};
    if (inside && !may_be_cut_off) return bad_line(number, "no end follows: it is cut off");
    return ok();
}

}  // namespace millrace::history
