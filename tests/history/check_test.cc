// SPDX-License-Identifier: Apache-2.0
//
// Goal: the checker finds each kind of wrong, and nothing in what is right.
// Method: for every rule histories that are right in the ways that are easily taken for wrong, and the same
// ones doctored.
#include "tests/history/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace millrace::history {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t hash_of(std::uint64_t sequence) { return sequence * 0x9e3779b97f4a7c15 + 1; }

Write write_of(std::string key, std::uint64_t sequence, Outcome outcome = Outcome::kAcked) {
    return {.stream = "s/t", .writer = "w", .key = std::move(key), .sequence = sequence, .length = 10,
            .hash = hash_of(sequence), .outcome = outcome};
}
Read read_of(std::string reader, std::string segment, std::int64_t offset, std::string key, std::uint64_t sequence) {
    return {.reader = std::move(reader), .stream = "s/t", .segment = std::move(segment), .offset = offset, .writer = "w",
            .key = std::move(key), .sequence = sequence, .length = 10, .hash = hash_of(sequence)};
}

std::vector<Violation> judge(const std::vector<Record>& records) {
    History history;
    for (const Record& record : records) history.add(record);
    return check_history(history);
}

std::set<int> rules_of(const std::vector<Violation>& violations) {
    std::set<int> rules;
    for (const Violation& one : violations) rules.insert(static_cast<int>(one.rule));
    return rules;
}

// Four events of key a, two of b; a reader that has all of them.
std::vector<Record> simple() {
    std::vector<Record> all;
    for (std::uint64_t n = 1; n <= 4; ++n) all.push_back(write_of("a", n));
    for (std::uint64_t n = 1; n <= 2; ++n) all.push_back(write_of("b", n));
    for (std::uint64_t n = 1; n <= 4; ++n) all.push_back(read_of("r", "0", static_cast<std::int64_t>(n) * 20, "a", n));
    for (std::uint64_t n = 1; n <= 2; ++n) all.push_back(read_of("r", "1", static_cast<std::int64_t>(n) * 20, "b", n));
    all.push_back(ReadToEnd{.reader = "r", .stream = "s/t"});
    return all;
}

template <class T>
std::vector<Record> without(std::vector<Record> records, const std::function<bool(const T&)>& which) {
    std::erase_if(records, [&](const Record& record) {
        const T* one = std::get_if<T>(&record);
        return one != nullptr && which(*one);
    });
    return records;
}
template <class T>
std::vector<Record> changed(std::vector<Record> records, const std::function<void(T&)>& change) {
    for (Record& record : records) {
        if (T* one = std::get_if<T>(&record)) change(*one);
    }
    return records;
}
std::vector<Record> with(std::vector<Record> records, std::vector<Record> more) {
    records.insert(records.end(), more.begin(), more.end());
    return records;
}

#define EXPECT_CLEAN(...) EXPECT_EQ(to_text(judge(__VA_ARGS__)), "")
#define EXPECT_RULES(records, ...) \
    do { \
        const auto found = judge(records); \
        EXPECT_THAT(rules_of(found), ElementsAre(__VA_ARGS__)) << to_text(found); \
    } while (false)

TEST(History, OfASimpleRunIsClean) { EXPECT_CLEAN(simple()); }

// V1

TEST(V1, FindsAnAcknowledgedEventThatIsMissing) {
    const auto lost = without<Read>(simple(), [](const Read& read) { return read.key == "a" && read.sequence == 3; });
    const auto found = judge(lost);
    ASSERT_EQ(found.size(), 1u) << to_text(found);
    EXPECT_EQ(found[0].rule, Rule::kAckedIsThere);
    EXPECT_EQ(found[0].event, "s/t w/a #3");
    EXPECT_THAT(found[0].evidence, HasSubstr("reader r"));
    // Of a key of which nothing is there, too.
    EXPECT_RULES(without<Read>(simple(), [](const Read& read) { return read.key == "b"; }), 1);
}

TEST(V1, WantsSomebodyWhoReadToTheEnd) {
    EXPECT_RULES(without<ReadToEnd>(simple(), [](const ReadToEnd&) { return true; }), 1);
}

TEST(V1, TakesUnknownOutcomesThatAppearOrNot) {
    EXPECT_CLEAN(changed<Write>(simple(), [](Write& write) {
        if (write.sequence == 2) write.outcome = Outcome::kUnknown;
    }));
    EXPECT_CLEAN(with(simple(), {write_of("a", 5, Outcome::kUnknown), write_of("c", 1, Outcome::kUnknown)}));
    // Logged before it was sent, and once more when the outcome was known.
    EXPECT_CLEAN(with(simple(), {write_of("a", 1, Outcome::kUnknown)}));
    EXPECT_RULES(with(simple(), {write_of("c", 1, Outcome::kUnknown), write_of("c", 1)}), 1);
}

TEST(V1, TakesWhatWasTruncated) {
    const auto headless = without<Read>(simple(), [](const Read& read) { return read.key == "a" && read.sequence <= 2; });
    const Truncation cut{.stream = "s/t", .segment = "0", .offset = 60};
    EXPECT_CLEAN(with(headless, {cut}));
    // A reader that still got it from before the cut.
    EXPECT_CLEAN(with(headless, {cut, read_of("early", "0", 20, "a", 1), read_of("early", "0", 40, "a", 2)}));
    EXPECT_CLEAN(with(headless, {Truncation{.stream = "s/t", .segment = "0"}, read_of("early", "0", 20, "a", 1)}));
}

TEST(V1, FindsWhatATruncationDoesNotExplain) {
    const Truncation cut{.stream = "s/t", .segment = "0", .offset = 60, .end = 1000};
    // Between events that are there.
    const auto hole = without<Read>(simple(), [](const Read& read) { return read.key == "a" && read.sequence == 3; });
    EXPECT_RULES(with(hole, {cut}), 1);
    // Written after the cut was made.
    const auto headless = without<Read>(simple(), [](const Read& read) { return read.key == "a" && read.sequence == 1; });
    EXPECT_RULES(with(changed<Write>(headless, [](Write& write) { write.begin = 2000; }), {cut}), 1);
    // Seen beyond the cut.
    EXPECT_RULES(with(headless, {cut, read_of("early", "0", 61, "a", 1)}), 1, 6);
}

// V2

TEST(V2, FindsAnEventThatIsStoredTwice) {
    EXPECT_RULES(with(simple(), {read_of("r", "0", 200, "a", 4)}), 2);
    // Seen by two readers, once each; of an unknown outcome, too.
    auto unknown = changed<Write>(simple(), [](Write& write) { write.outcome = Outcome::kUnknown; });
    unknown = with(unknown, {Floor{"acked", 0}});
    EXPECT_CLEAN(unknown);
    EXPECT_RULES(with(unknown, {read_of("other", "0", 200, "a", 4)}), 2);
}

TEST(V2, FindsAnEventThatAReaderGetsTwice) {
    EXPECT_RULES(with(simple(), {read_of("r", "0", 80, "a", 4)}), 2);
    EXPECT_CLEAN(with(simple(), {read_of("other", "0", 80, "a", 4)}));
}

// V3

TEST(V3, FindsAnotherOrderAcrossSegments) {
    // Key a: 1, 2 in segment 0, and after a split 3, 4 in segment 2.
    const auto scaled = changed<Read>(simple(), [](Read& read) {
        if (read.key == "a" && read.sequence >= 3) read.segment = "2";
    });
    EXPECT_CLEAN(scaled);
    // The successor is read first.
    const auto of_predecessor = [](const Read& read) { return read.segment == "0"; };
    std::vector<Record> reordered = without<Read>(scaled, of_predecessor);
    reordered = with(reordered, without<Read>(scaled, [&](const Read& read) { return !of_predecessor(read); }));
    EXPECT_RULES(reordered, 3);
}

TEST(V3, LetsTwoWritersOfAKeyMix) {
    auto mixed = simple();
    for (std::uint64_t n = 1; n <= 4; ++n) {
        Write write = write_of("a", n);
        write.writer = "w2";
        Read read = read_of("r", "0", 200 - static_cast<std::int64_t>(n) * 10 + 100 * static_cast<std::int64_t>(n), "a", n);
        read.writer = "w2";
        mixed = with({Record{write}}, with(mixed, {read}));
    }
    EXPECT_CLEAN(mixed);
}

// V4

TEST(V4, FindsWhatFailedForCertain) {
    const auto failed = changed<Write>(simple(), [](Write& write) {
        if (write.key == "b" && write.sequence == 2) write.outcome = Outcome::kFailed;
    });
    EXPECT_RULES(failed, 4);
    EXPECT_CLEAN(without<Read>(failed, [](const Read& read) { return read.key == "b" && read.sequence == 2; }));
    EXPECT_RULES(with(simple(), {write_of("a", 1, Outcome::kFailed)}), 4);
}

// V5

TEST(V5, FindsOtherBytes) {
    EXPECT_RULES(changed<Read>(simple(), [](Read& read) {
        if (read.key == "b" && read.sequence == 1) ++read.hash;
    }), 5);
    EXPECT_RULES(changed<Read>(simple(), [](Read& read) {
        if (read.key == "b" && read.sequence == 1) --read.length;
    }), 5);
}

TEST(V5, FindsWhatNobodyWrote) {
    EXPECT_RULES(with(simple(), {read_of("r", "0", 200, "a", 5)}), 5);
    Write other = write_of("a", 1);
    ++other.hash;
    EXPECT_RULES(with(simple(), {other}), 5);
}

// V6

TEST(V6, FindsOtherContentAtAPlace) {
    auto moved = with(simple(), {read_of("late", "0", 20, "a", 1), read_of("late", "0", 40, "a", 2)});
    EXPECT_CLEAN(moved);
    moved = with(simple(), {read_of("late", "0", 40, "b", 1)});
    EXPECT_RULES(moved, 2, 6);
}

TEST(V6, FindsEventsThatOverlap) {
    EXPECT_RULES(changed<Read>(simple(), [](Read& read) {
        if (read.key == "a" && read.sequence == 2) read.offset = 29;
    }), 6);
    EXPECT_CLEAN(changed<Read>(simple(), [](Read& read) {
        if (read.key == "a" && read.sequence == 2) read.offset = 30;
    }));
}

TEST(V6, FindsThatWhatWasReadIsGone) {
    const auto seen_once = with(simple(), {write_of("b", 3, Outcome::kUnknown), read_of("early", "1", 60, "b", 3)});
    EXPECT_RULES(seen_once, 6);
    EXPECT_CLEAN(with(seen_once, {read_of("r", "1", 60, "b", 3)}));
}

TEST(V6, FindsReadsOfWhatWasTruncated) {
    const auto truncated = with(simple(), {Truncation{.stream = "s/t", .segment = "1", .offset = 40, .end = 1000}});
    const auto began = [&](Time when) {
        return changed<ReadToEnd>(truncated, [&](ReadToEnd& end) { end.begin = when; });
    };
    EXPECT_CLEAN(began(999));
    EXPECT_RULES(began(1000), 6);
    EXPECT_CLEAN(without<Read>(began(1000), [](const Read& read) { return read.key == "b" && read.sequence == 1; }));
}

// V7

// Transaction x: a #2 and #3 in segment 0, b #2 in segment 1.
std::vector<Record> transactional(Outcome outcome) {
    auto all = changed<Write>(simple(), [](Write& write) {
        if ((write.key == "a" && (write.sequence == 2 || write.sequence == 3)) || (write.key == "b" && write.sequence == 2)) {
            write.transaction = "x";
        }
    });
    return with(all, {Transaction{.stream = "s/t", .transaction = "x", .outcome = outcome, .commit_begin = 100}});
}
bool of_x(const Read& read) { return read.sequence == 2 || (read.key == "a" && read.sequence == 3); }

TEST(V7, TakesAllAndNothing) {
    EXPECT_CLEAN(transactional(Outcome::kAcked));
    EXPECT_CLEAN(transactional(Outcome::kUnknown));
    EXPECT_CLEAN(without<Read>(transactional(Outcome::kUnknown), of_x));
    EXPECT_CLEAN(without<Read>(transactional(Outcome::kFailed), of_x));
}

TEST(V7, FindsAPart) {
    for (const Outcome outcome : {Outcome::kAcked, Outcome::kUnknown}) {
        EXPECT_RULES(without<Read>(transactional(outcome), [](const Read& read) { return read.key == "b" && read.sequence == 2; }), 7);
    }
    EXPECT_RULES(without<Read>(transactional(Outcome::kAcked), of_x), 7);
}

TEST(V7, FindsEventsOfAnAbortedOne) {
    EXPECT_RULES(transactional(Outcome::kFailed), 7);
    EXPECT_RULES(with(transactional(Outcome::kAcked),
                      {Transaction{.stream = "s/t", .transaction = "x", .outcome = Outcome::kFailed}}), 7);
}

TEST(V7, FindsWhatWasSeenBeforeTheCommit) {
    const auto at = [](Time when) {
        return changed<Read>(transactional(Outcome::kAcked), [&](Read& read) { read.time = when; });
    };
    EXPECT_CLEAN(at(100));
    EXPECT_RULES(at(99), 7);
}

TEST(V7, FindsAPieceThatIsTorn) {
    // An event of another lies between the two in segment 0.
    EXPECT_RULES(changed<Write>(transactional(Outcome::kAcked), [](Write& write) {
        if (write.key == "a") write.transaction = write.sequence == 1 || write.sequence == 3 ? "x" : "";
    }), 7);
}

TEST(V7, FindsOneThatIsOpenTooLong) {
    const auto open_for = [](std::int64_t ns) {
        return with(simple(), {Transaction{.stream = "s/t", .transaction = "y", .outcome = Outcome::kFailed, .opened = 1000,
                                           .ended = 1000 + ns, .open_max = 50}});
    };
    EXPECT_CLEAN(open_for(50));
    EXPECT_RULES(open_for(51), 7);
}

// V8

// Readers g1 and g2 share the stream, one segment each; g2 reads b.
std::vector<Record> grouped() {
    std::vector<Record> all{Reader{"g1", "g"}, Reader{"g2", "g"}};
    all = with(all, simple());
    for (std::uint64_t n = 1; n <= 4; ++n) all.push_back(read_of("g1", "0", static_cast<std::int64_t>(n) * 20, "a", n));
    for (std::uint64_t n = 1; n <= 2; ++n) all.push_back(read_of("g2", "1", static_cast<std::int64_t>(n) * 20, "b", n));
    all.push_back(ReadToEnd{.group = "g", .stream = "s/t"});
    return all;
}

TEST(V8, TakesAGroupThatSharesAStream) { EXPECT_CLEAN(grouped()); }

TEST(V8, FindsAnEventThatIsGivenToTwo) {
    EXPECT_RULES(with(grouped(), {read_of("g2", "0", 80, "a", 4)}), 8);
    EXPECT_RULES(with(grouped(), {read_of("g2", "1", 40, "b", 2)}), 8);
}

TEST(V8, FindsAnEventThatIsGivenToNobody) {
    EXPECT_RULES(without<Read>(grouped(), [](const Read& read) { return read.reader == "g2" && read.sequence == 2; }), 8);
}

TEST(V8, TakesEventsOfACrashedReaderAgain) {
    // g1 passed a checkpoint after #2, got #3 and #4, and crashed; g2 gets these again.
    std::vector<Record> all;
    for (const Record& record : grouped()) {
        all.push_back(record);
        const Read* read = std::get_if<Read>(&record);
        if (read != nullptr && read->reader == "g1" && read->sequence == 2) all.push_back(Checkpoint{"g1", "c"});
    }
    all = with(all, {ReaderCrash{"g1"}, read_of("g2", "0", 60, "a", 3), read_of("g2", "0", 80, "a", 4)});
    EXPECT_CLEAN(all);
    // What lies before the checkpoint is not given again.
    Record again = read_of("g3", "0", 40, "a", 2);
    EXPECT_RULES(with({Reader{"g3", "g"}}, with(all, {again})), 8);
    // g1 did get #4: nobody else must.
    EXPECT_CLEAN(without<Read>(all, [](const Read& read) { return read.reader == "g2" && read.sequence == 4; }));
}

TEST(V8, FindsASegmentWithTwoReaders) {
    const auto assignment = [](std::string reader, std::string segment, std::int64_t offset, std::uint64_t revision, bool acquired) {
        return Assignment{"g", std::move(reader), "s/t", std::move(segment), offset, revision, acquired};
    };
    const auto good = with(grouped(), {assignment("g2", "0", 0, 1, true), assignment("g2", "0", 20, 2, false),
                                       assignment("g1", "0", 20, 3, true), assignment("g2", "1", 0, 4, true)});
    EXPECT_CLEAN(good);
    EXPECT_RULES(without<Assignment>(good, [](const Assignment& one) { return one.revision == 2; }), 8);
    EXPECT_RULES(without<Assignment>(good, [](const Assignment& one) { return one.revision == 4; }), 8);
    EXPECT_RULES(changed<Assignment>(good, [](Assignment& one) { if (one.revision == 3) one.offset = 10; }), 8);
    EXPECT_RULES(without<Assignment>(good, [](const Assignment& one) { return one.revision == 1; }), 8);
    // Taken from one who crashed.
    EXPECT_CLEAN(with(without<Assignment>(good, [](const Assignment& one) { return one.revision == 2; }), {ReaderCrash{"g2"}}));
}

// V9

std::vector<Record> owned() {
    return with(simple(), {Ownership{"c", "n1", 1, 10}, Ownership{"c", "n2", 2, 50},
                           OwnerAck{.resource = "c", .owner = "n1", .epoch = 1, .position = 5, .begin = 20, .end = 30},
                           OwnerAck{.resource = "c", .owner = "n2", .epoch = 2, .position = 6, .begin = 60, .end = 70},
                           // It was taken before, and its acknowledgement was late.
                           OwnerAck{.resource = "c", .owner = "n1", .epoch = 1, .position = 5, .begin = 40, .end = 90}});
}

TEST(V9, TakesATakeover) { EXPECT_CLEAN(owned()); }

TEST(V9, FindsTwoOwners) {
    EXPECT_RULES(with(owned(), {OwnerAck{.resource = "c", .owner = "n1", .epoch = 1, .begin = 71, .end = 75}}), 9);
    EXPECT_RULES(with(owned(), {OwnerAck{.resource = "c", .owner = "n1", .epoch = 1, .position = 7}}), 9);
    EXPECT_RULES(with(owned(), {OwnerAck{.resource = "c", .owner = "n1", .epoch = 1, .position = 6}}), 9);
    EXPECT_RULES(with(owned(), {OwnerAck{.resource = "c", .owner = "n1", .epoch = 2}}), 9);
    EXPECT_RULES(with(owned(), {OwnerAck{.resource = "c", .owner = "n1", .epoch = 3}}), 9);
}

TEST(V9, FindsAnEpochThatRepeatsOrFalls) {
    EXPECT_RULES(with(owned(), {Ownership{"c", "n1", 2}}), 9);
    EXPECT_RULES(with(owned(), {Ownership{"c", "n2", 2}}), 9);
    EXPECT_RULES(with(owned(), {Ownership{"c", "n3", 0, 60}}), 9);
    EXPECT_CLEAN(with(owned(), {Ownership{"other", "n3", 2, 60}}));
}

// V10

TEST(V10, FindsWhatIsOutOfBounds) {
    EXPECT_CLEAN(with(simple(), {Measure{"memory_bytes", "n1", 100, 100}}));
    const auto found = judge(with(simple(), {Measure{"memory_bytes", "n1", 101, 100}}));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].to_string(), "V10: memory_bytes of n1: 101, at most 100 is allowed");
}

// V11

TEST(V11, FindsEndsThatNothingExplains) {
    EXPECT_CLEAN(with(simple(), {Fault{"kill", "n1"}, Exit{"n1", ExitKind::kInjected, ""}, Exit{"n1", ExitKind::kOrdered, ""},
                                 FailStop{"sync failed"}, Exit{"n1", ExitKind::kFailStop, "sync failed"}}));
    EXPECT_RULES(with(simple(), {Exit{"n1", ExitKind::kOther, "signal 11"}}), 11);
    EXPECT_RULES(with(simple(), {Exit{"n1", ExitKind::kInjected, ""}}), 11);
    EXPECT_RULES(with(simple(), {Fault{"kill", "n1"}, Exit{"n1", ExitKind::kInjected, ""}, Exit{"n1", ExitKind::kInjected, ""}}), 11);
    EXPECT_RULES(with(simple(), {Fault{"kill", "n2"}, Exit{"n1", ExitKind::kInjected, ""}}), 11);
    EXPECT_RULES(with(simple(), {Exit{"n1", ExitKind::kFailStop, "sync failed"}}), 11);
}

// V12

TEST(V12, FindsARunThatDidNothing) {
    EXPECT_RULES({}, 12);
    EXPECT_CLEAN({Floor{"acked", 0}});
    EXPECT_CLEAN(with(owned(), {Floor{"acked", 6}, Floor{"reads", 6}, Floor{"takeovers", 1}, Fault{"kill", ""}, Floor{"faults", 1},
                                Count{"scales", 2}, Count{"scales", 1}, Floor{"scales", 3}}));
    EXPECT_RULES(with(simple(), {Floor{"acked", 7}}), 12);
    EXPECT_RULES(with(simple(), {Floor{"faults", 1}}), 12);
    EXPECT_RULES(with(owned(), {Floor{"takeovers", 2}}), 12);
    EXPECT_RULES(with(simple(), {Count{"scales", 2}, Floor{"scales", 3}}), 12);
}

// As a whole

TEST(Checker, KeepsABoundedNumberOfViolations) {
    std::vector<Record> lost;
    for (std::uint64_t n = 0; n < 1000; ++n) lost.push_back(write_of("a", n));
    lost.push_back(ReadToEnd{.reader = "r", .stream = "s/t"});
    const auto found = judge(lost);
    ASSERT_EQ(found.size(), kViolationsKept + 1);
    EXPECT_THAT(found.back().evidence, HasSubstr("1000 times"));
}

TEST(Checker, JudgesStreamsAndReadersApart) {
    // The same events in another stream, which a reader there has; one event more, which is lost only there.
    auto both = simple();
    auto other = simple();
    for (Record& record : other) {
        if (auto* write = std::get_if<Write>(&record)) write->stream = "s/u";
        if (auto* read = std::get_if<Read>(&record)) read->stream = "s/u", read->reader = "q";
        if (auto* end = std::get_if<ReadToEnd>(&record)) end->stream = "s/u", end->reader = "q";
    }
    EXPECT_CLEAN(with(both, other));
    Write more = write_of("a", 5);
    more.stream = "s/u";
    const auto found = judge(with(with(both, other), {more}));
    ASSERT_EQ(found.size(), 1u) << to_text(found);
    EXPECT_EQ(found[0].event, "s/u w/a #5");
}

TEST(Checker, ManagesManyEvents) {
    History history;
    constexpr std::uint64_t kKeys = 100;
    for (std::uint64_t n = 0; n < 200'000; ++n) {
        Write write = write_of(std::to_string(n % kKeys), n / kKeys);
        history.add(write);
        history.add(read_of("r", std::to_string(n % 7), static_cast<std::int64_t>(n) * 10, write.key, write.sequence));
    }
    // One is read twice, at two places.
    history.add(read_of("r", "0", 100'000'000, "5", 1'999));
    history.add(ReadToEnd{.reader = "r", .stream = "s/t"});
    const auto found = check_history(history);
    ASSERT_EQ(found.size(), 1u) << to_text(found);
    EXPECT_EQ(found[0].rule, Rule::kOnce);
}

}  // namespace
}  // namespace millrace::history
