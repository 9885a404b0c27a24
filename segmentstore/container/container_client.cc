// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_client.h"

#include <algorithm>

namespace millrace::container {

namespace {

using namespace std::chrono_literals;

WriterId client_writer(std::size_t n) {
    WriterId id;
    id.bytes[0] = std::byte{0xAB};
    id.bytes[15] = static_cast<std::byte>(n);
    return id;
}

AttributeId client_attribute(std::size_t n) {
    AttributeId id;
    id.bytes[0] = std::byte{0xCD};
    id.bytes[15] = static_cast<std::byte>(n);
    return id;
}

std::string number_of(Status status) { return "status " + std::to_string(static_cast<int>(status)); }

}  // namespace

ContainerClient::ContainerClient(Executor executor, Clock& clock, Random& random, Container& container,
                                 ContainerModel& model, Supply& supply, ContainerJudge& judge, Options options)
    : executor_{std::move(executor)},
      clock_{clock},
      random_{random},
      container_{container},
      model_{model},
      supply_{supply},
      judge_{judge},
      options_{std::move(options)} {}

std::string ContainerClient::name_of(std::size_t name) { return "scope/stream/" + std::to_string(name) + ".#epoch.0"; }

std::string ContainerClient::next_data(std::size_t size) {
    // Cut from a longer text, as making every byte anew would take most of a run's time.
    constexpr std::size_t kTextBytes = 4 * 1024 * 1024;
    static const std::string text = [] {
        std::string made(kTextBytes, '\0');
        SeededRandom{1}.fill({reinterpret_cast<std::byte*>(made.data()), made.size()});
        return made;
    }();
    SeededRandom place{++supply_.data_made};
    return text.substr(place.between(0, kTextBytes - size), size);
}

std::size_t ContainerClient::random_size() {
    if (random_.one_in(options_.large_one_in)) return random_.between(100'000, options_.large_bytes_max);
    switch (random_.between(0, 10)) {
        case 0:
            return 0;
        case 1:
            return random_.between(3'000, 40'000);
        case 2:
            return random_.between(4'050, 4'150);
        default:
            return random_.between(1, 300);
    }
}

ModelSegment* ContainerClient::find(std::size_t name) {
    const auto found = model_.segments.find(name);
    return found == model_.segments.end() ? nullptr : &found->second;
}

void ContainerClient::step() {
    const std::size_t name = options_.names[random_.between(0, options_.names.size())];
    switch (random_.between(0, 40)) {
        case 0:
        case 1:
            return create(name);
        case 2:
            if (random_.one_in(2)) return seal(name);
            return;
        case 3:
            if (random_.one_in(4)) remove(name);
            if (random_.one_in(2)) create(name);
            return;
        case 4:
            return info(name);
        case 5:
        case 6:
        case 7:
        case 8:
            return set_up(name, random_.between(0, kWriters));
        case 9:
        case 10:
        case 11:
            return start_read(name);
        case 12:
            if (random_.one_in(3)) return truncate(name);
            if (random_.one_in(3)) return attribute(name);
            return set_attribute(name);
        default:
            return append();
    }
}

Task<void> ContainerClient::close() {
    for (ReadWait& wait : waits_) wait.cancel();
    sessions_.clear();
    co_await gate_.close();
}

Task<void> ContainerClient::check() {
    for (const std::size_t name : options_.names) co_await check_segment(name);
}

// The segment as a client sees it, against the model.
Task<void> ContainerClient::check_segment(std::size_t name) {
    const std::string segment = name_of(name);
    const ModelSegment* const found = find(name);
    const InfoOutcome info = container_.info(segment);
    if (info.status == Status::kStopped) co_return;
    if ((info.status == Status::kOk) != (found != nullptr)) {
        co_return judge_.violation(segment + (info.status == Status::kOk ? " exists and should not" : " is gone"));
    }
    if (found == nullptr) co_return;
    const ModelSegment expected = *found;
    if (info.policy.target_rate != expected.incarnation || info.sealed != expected.sealed ||
        info.length != static_cast<std::int64_t>(expected.bytes.size()) || info.start_offset != expected.start) {
        const auto shape = [](std::int32_t incarnation, bool sealed, std::int64_t start, std::int64_t length) {
            return " (incarnation " + std::to_string(incarnation) + ", " + std::to_string(start) + " to " +
                   std::to_string(length) + (sealed ? ", sealed)" : ")");
        };
        co_return judge_.violation(segment + " is not what it should be:" +
                                   shape(info.policy.target_rate, info.sealed, info.start_offset, info.length) +
                                   " instead of" +
                                   shape(expected.incarnation, expected.sealed, expected.start,
                                         static_cast<std::int64_t>(expected.bytes.size())));
    }
    for (std::size_t attribute = 0; attribute < kAttributes; ++attribute) {
        const AttributeOutcome present = container_.attribute(segment, client_attribute(attribute));
        const auto known = expected.attributes.find(attribute);
        const std::int64_t value = known == expected.attributes.end() ? kNoAttributeValue : known->second;
        if (present.status == Status::kOk && present.value != value)
            judge_.violation(segment + ": an attribute differs");
    }
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
        SetupOutcome setup = container_.setup_append(segment, client_writer(writer));
        if (setup.status == Status::kStopped) co_return;
        const auto number = expected.writers.find(writer);
        const std::int64_t last = number == expected.writers.end() ? kNoEventNumber : number->second;
        if (setup.last_event_number != last) {
            judge_.violation(segment + ": last event number of writer " + std::to_string(writer) + " is " +
                             std::to_string(setup.last_event_number) + " instead of " + std::to_string(last));
        }
        container_.release(setup.handle);
    }
    // What was truncated is not looked at.
    std::string bytes = expected.bytes.substr(0, static_cast<std::size_t>(expected.start));
    while (bytes.size() < expected.bytes.size()) {
        ReadWait wait;
        const ReadOutcome read =
            co_await container_.read(segment, static_cast<std::int64_t>(bytes.size()), 300'000, wait);
        if (container_.stopped() || dead_) co_return;
        if (read.status == ReadStatus::kFailed && read.error->is(ErrorCode::kUnavailable)) {
            co_await sleep_for(clock_, 1ms);
            continue;
        }
        if (read.status != ReadStatus::kData || read.data.empty()) {
            co_return judge_.violation(
                segment + ": cannot be read back at " + std::to_string(bytes.size()) + " of " +
                std::to_string(expected.bytes.size()) + ": " +
                (read.error ? read.error->to_string() : "status " + std::to_string(static_cast<int>(read.status))));
        }
        bytes += as_text(read.data.view());
    }
    if (bytes != expected.bytes) judge_.violation(segment + ": bytes differ");
}

bool ContainerClient::expect(const std::string& what, Status status, Status expected) {
    if (status == Status::kStopped || status == Status::kFull) return false;
    if (status == expected) return true;
    judge_.violation(what + ": " + number_of(status) + " instead of " + number_of(expected));
    return false;
}

void ContainerClient::admitted(ModelOperation operation) {
    ++counts_.operations;
    model_.apply(std::move(operation), container_.admitted().number());
}

void ContainerClient::answer(Dependency depends_on, std::uint64_t fact) {
    const bool late = judge_.replaced();
    gate_.spawn(executor_, [this, depends_on, fact, late]() -> Task<void> {
        const bool left = co_await container_.wait_settled(depends_on);
        // A process that is dead answers nobody.
        if (left && !dead_) judge_.answered(fact, late);
    });
}

void ContainerClient::create(std::size_t name) {
    const std::int32_t incarnation = ++supply_.last_incarnation;
    const Outcome outcome = container_.create(name_of(name), {incarnation, 1, 0});
    const bool exists = find(name) != nullptr;
    if (!expect("create", outcome.status, exists ? Status::kAlreadyExists : Status::kOk)) return;
    if (!exists) {
        ModelOperation operation;
        operation.type = OperationType::kCreateSegment;
        operation.name = name;
        operation.incarnation = incarnation;
        admitted(std::move(operation));
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::seal(std::size_t name) {
    const Outcome outcome = container_.seal(name_of(name));
    const ModelSegment* const segment = find(name);
    const Status expected = segment == nullptr ? Status::kNoSuchSegment
                            : segment->sealed  ? Status::kSealed
                                               : Status::kOk;
    if (!expect("seal", outcome.status, expected)) return;
    if (expected == Status::kOk) {
        ModelOperation operation;
        operation.type = OperationType::kSealSegment;
        operation.name = name;
        admitted(std::move(operation));
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::remove(std::size_t name) {
    const Outcome outcome = container_.remove(name_of(name));
    const bool exists = find(name) != nullptr;
    if (!expect("delete", outcome.status, exists ? Status::kOk : Status::kNoSuchSegment)) return;
    if (exists) {
        ModelOperation operation;
        operation.type = OperationType::kDeleteSegment;
        operation.name = name;
        admitted(std::move(operation));
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::info(std::size_t name) {
    const bool committed_only = container_.full();
    const InfoOutcome outcome = container_.info(name_of(name));
    if (outcome.status == Status::kStopped || committed_only) return;
    const ModelSegment* const segment = find(name);
    if (!expect("info", outcome.status, segment != nullptr ? Status::kOk : Status::kNoSuchSegment)) return;
    if (segment != nullptr && (outcome.sealed != segment->sealed || outcome.start_offset != segment->start ||
                               outcome.length != static_cast<std::int64_t>(segment->bytes.size()))) {
        return judge_.violation("info: seal or length differ");
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::set_up(std::size_t name, std::size_t writer) {
    SetupOutcome setup = container_.setup_append(name_of(name), client_writer(writer));
    const ModelSegment* const segment = find(name);
    if (!expect("set up", setup.status, segment != nullptr ? Status::kOk : Status::kNoSuchSegment)) return;
    if (segment != nullptr) {
        const auto number = segment->writers.find(writer);
        const std::int64_t expected = number == segment->writers.end() ? kNoEventNumber : number->second;
        if (setup.last_event_number != expected) {
            judge_.violation("set up: event number " + std::to_string(setup.last_event_number));
        }
        sessions_.push_back({name, writer, segment->incarnation, std::move(setup.handle)});
    }
    answer(setup.depends_on, model_.newest(name));
}

void ContainerClient::append() {
    if (sessions_.empty()) return;
    const std::size_t index = random_.between(0, sessions_.size());
    const Session& session = sessions_[index];
    const ModelSegment* const segment = find(session.name);
    const bool same = segment != nullptr && segment->incarnation == session.incarnation;
    // Set-ups of an earlier incarnation are current for that one until a later set-up of the same one.
    const bool overtaken = std::any_of(sessions_.begin() + static_cast<std::ptrdiff_t>(index) + 1, sessions_.end(),
                                       [&](const Session& other) {
                                           return other.name == session.name && other.writer == session.writer &&
                                                  other.incarnation == session.incarnation;
                                       });
    const std::int64_t last =
        same && segment->writers.contains(session.writer) ? segment->writers.at(session.writer) : 0;
    const bool repeat = last > 0 && random_.one_in(30);
    const std::int64_t number = repeat ? last - static_cast<std::int64_t>(random_.between(0, 2))
                                       : last + static_cast<std::int64_t>(random_.between(1, 4));
    std::string data = next_data(random_size());
    std::vector<Bytes> pieces;
    const std::size_t cut = data.empty() ? 0 : random_.between(0, data.size());
    pieces.push_back(Bytes::copy_of(std::string_view{data}.substr(0, cut)));
    pieces.push_back(Bytes::copy_of(std::string_view{data}.substr(cut)));
    std::optional<std::int64_t> condition;
    const std::int64_t length = same ? static_cast<std::int64_t>(segment->bytes.size()) : 0;
    const bool wrong = random_.one_in(3);
    if (random_.one_in(8)) condition = wrong ? length + 1 : length;
    const AppendOutcome outcome = container_.append(session.handle, EventNumbers::of_one_append(number, 1), pieces, condition);
    const Status expected = overtaken            ? Status::kInvalidEventNumber
                            : !same              ? Status::kNoSuchSegment
                            : segment->sealed    ? Status::kSealed
                            : repeat             ? Status::kInvalidEventNumber
                            : condition && wrong ? Status::kConditionFailed
                                                 : Status::kOk;
    if (!expect("append", outcome.status, expected)) return;
    if (expected == Status::kOk) {
        ModelOperation operation;
        operation.type = OperationType::kAppend;
        operation.name = session.name;
        operation.writer = session.writer;
        operation.event_number = number;
        operation.data = std::move(data);
        admitted(std::move(operation));
        if (outcome.length_after != static_cast<std::int64_t>(find(session.name)->bytes.size())) {
            judge_.violation("append: length after differs");
        }
    }
    // That a set-up was overtaken is known here only, and depends on nothing.
    if (!overtaken) answer(outcome.depends_on, same ? model_.newest(session.name) : 0);
}

void ContainerClient::truncate(std::size_t name) {
    const ModelSegment* const segment = find(name);
    const auto length = segment != nullptr ? static_cast<std::int64_t>(segment->bytes.size()) : 0;
    const std::int64_t start = segment != nullptr ? segment->start : 0;
    const auto offset = static_cast<std::int64_t>(random_.between(0, static_cast<std::uint64_t>(length) + 2));
    const TruncateOutcome outcome = container_.truncate(name_of(name), offset);
    const Status expected = segment == nullptr                  ? Status::kNoSuchSegment
                            : offset < start || offset > length ? Status::kTruncated
                                                                : Status::kOk;
    if (!expect("truncate", outcome.status, expected)) return;
    if (expected == Status::kOk && offset > start) {
        ModelOperation operation;
        operation.type = OperationType::kTruncateSegment;
        operation.name = name;
        operation.event_number = offset;
        admitted(std::move(operation));
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::attribute(std::size_t name) {
    const ModelSegment* const segment = find(name);
    const std::size_t attribute = random_.between(0, kAttributes);
    const AttributeOutcome outcome = container_.attribute(name_of(name), client_attribute(attribute));
    if (!expect("attribute", outcome.status, segment != nullptr ? Status::kOk : Status::kNoSuchSegment)) return;
    if (segment != nullptr) {
        const auto known = segment->attributes.find(attribute);
        const std::int64_t value = known == segment->attributes.end() ? kNoAttributeValue : known->second;
        if (outcome.value != value) judge_.violation("attribute: another value");
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::set_attribute(std::size_t name) {
    const ModelSegment* const segment = find(name);
    const std::size_t attribute = random_.between(0, kAttributes);
    std::int64_t present = kNoAttributeValue;
    if (segment != nullptr && segment->attributes.contains(attribute)) present = segment->attributes.at(attribute);
    const bool wrong = random_.one_in(3);
    const auto value = static_cast<std::int64_t>(random_.between(0, 1'000'000));
    const AttributeOutcome outcome =
        container_.set_attribute(name_of(name), client_attribute(attribute), value, wrong ? present + 1 : present);
    const Status expected = segment == nullptr ? Status::kNoSuchSegment
                            : segment->sealed  ? Status::kSealed
                            : wrong            ? Status::kConditionFailed
                                               : Status::kOk;
    if (!expect("set attribute", outcome.status, expected)) return;
    if (expected == Status::kOk) {
        ModelOperation operation;
        operation.type = OperationType::kSetAttribute;
        operation.name = name;
        operation.writer = attribute;
        operation.event_number = value;
        admitted(std::move(operation));
    }
    answer(outcome.depends_on, model_.newest(name));
}

void ContainerClient::start_read(std::size_t name) {
    const ModelSegment* const segment = find(name);
    const std::size_t length = segment == nullptr ? 0 : segment->bytes.size();
    const auto offset = static_cast<std::int64_t>(random_.one_in(3) ? length : random_.between(0, length + 1));
    ReadWait& wait = waits_.emplace_back();
    const std::size_t limit = random_.one_in(3) ? random_.between(8, 5000) : 2 * 1024 * 1024;
    gate_.spawn(executor_, [this, name, offset, limit, &wait] { return read(name, offset, limit, wait); });
}

Task<void> ContainerClient::read(std::size_t name, std::int64_t offset, std::size_t length, ReadWait& wait) {
    ReadCursor cursor = container_.open_read(name_of(name), offset);
    const ModelSegment* segment = find(name);
    const std::int32_t incarnation = segment == nullptr ? 0 : segment->incarnation;
    ReadOutcome outcome;
    bool late = false;
    for (;;) {
        late = judge_.replaced();
        outcome = container_.read_now(cursor, length);
        if (outcome.status == ReadStatus::kNotCached) {
            ++counts_.cold_reads;
            outcome = co_await container_.read_back(cursor, length);
        }
        if (outcome.status != ReadStatus::kNotYet) break;
        co_await container_.wait_readable(cursor, wait);
        if (wait.cancelled()) co_return;
    }
    if (dead_) co_return;
    if (outcome.status == ReadStatus::kFailed) co_return judge_.read_failed(*outcome.error);
    if (outcome.status == ReadStatus::kNoSuchSegment) {
        const bool left = co_await container_.wait_settled(outcome.depends_on);
        if (left && !dead_) judge_.answered(0, late);
        co_return;
    }
    if (outcome.status != ReadStatus::kData) co_return;
    if (outcome.data.size() > length) judge_.violation("read: more than asked for");
    segment = find(name);
    // A reader may still get bytes of a segment whose deletion is only admitted.
    if (segment == nullptr || segment->incarnation != incarnation) co_return;
    const auto end = offset + static_cast<std::int64_t>(outcome.data.size());
    if (end > static_cast<std::int64_t>(segment->bytes.size()) ||
        as_text(outcome.data.view()) !=
            std::string_view{segment->bytes}.substr(static_cast<std::size_t>(offset), outcome.data.size())) {
        co_return judge_.violation(name_of(name) + ": a reader got other bytes at " + std::to_string(offset));
    }
    if (outcome.end_of_segment && !segment->sealed) judge_.violation("read: the end of a segment that is not sealed");
    // What a reader saw must survive; committed bytes may be served by who was replaced.
    const auto last = std::lower_bound(segment->appended.begin(), segment->appended.end(), end,
                                       [](const auto& appended, std::int64_t at) { return appended.first < at; });
    if (last != segment->appended.end() && !outcome.data.empty()) judge_.answered(last->second, false);
}

}  // namespace millrace::container
