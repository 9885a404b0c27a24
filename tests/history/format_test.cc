// SPDX-License-Identifier: Apache-2.0
#include "tests/history/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace millrace::history {
namespace {

using ::testing::HasSubstr;

std::vector<Record> one_of_each() {
    return {
        Write{"s/t", "w 1", "k%\xc3\xa9=", 18446744073709551615u, 4294967295u, 7, Outcome::kAcked, "x", -5, 6},
        Write{.stream = "s/t", .writer = "w", .key = "", .sequence = 0, .outcome = Outcome::kUnknown},
        Reader{"r", "g"}, Reader{"q", ""},
        Read{"r", "s/t", "0.#epoch.0", 1, "w", "k", 2, 3, 4, 5},
        ReadToEnd{.reader = "r", .stream = "s/t"}, ReadToEnd{.group = "g", .stream = "s/t", .begin = 9},
        Truncation{"s/t", "0", 77, 88}, Truncation{.stream = "s/t", .segment = "1"},
        Transaction{"s/t", "x", Outcome::kFailed, 1, 2, 3, 4},
        Checkpoint{"r", "c"}, ReaderCrash{"r"},
        Assignment{"g", "r", "s/t", "0", 5, 6, true}, Assignment{"g", "r", "s/t", "0", 5, 7, false},
        Ownership{"c", "n", 3, 4}, OwnerAck{"c", "n", 3, 4, 5, 6},
        Measure{"files", "n", 1, 2}, Fault{"kill", "n"}, Exit{"n", ExitKind::kFailStop, "sync failed"},
        FailStop{"sync failed"}, Count{"scales", 3}, Floor{"scales", 2},
    };
}

TEST(HistoryFormat, BringsBackEveryRecord) {
    std::vector<std::string> lines;
    for (const Record& record : one_of_each()) {
        lines.push_back(to_line(record));
        const auto parsed = parse_line(lines.back());
        ASSERT_TRUE(parsed.ok()) << lines.back() << ": " << parsed.error().to_string();
        EXPECT_EQ(parsed->index(), record.index());
        EXPECT_EQ(to_line(*parsed), lines.back());
    }
    EXPECT_EQ(lines[0], "write stream=s/t writer=w%201 key=k%25%c3%a9= seq=18446744073709551615 len=4294967295 hash=7 "
                        "outcome=acked txn=x begin=-5 end=6");
    EXPECT_EQ(lines[1], "write stream=s/t writer=w key= seq=0 len=0 hash=0 outcome=unknown");
    EXPECT_EQ(lines[4], "read reader=r stream=s/t segment=0.#epoch.0 offset=1 writer=w key=k seq=2 len=3 hash=4 time=5");
    const auto write = std::get<Write>(*parse_line(lines[0]));
    EXPECT_EQ(write.writer, "w 1");
    EXPECT_EQ(write.key, "k%\xc3\xa9=");
    EXPECT_EQ(write.begin, -5);
    EXPECT_EQ(std::get<Truncation>(*parse_line(lines[8])).offset, std::numeric_limits<std::int64_t>::max());
}

TEST(HistoryFormat, RefusesLinesThatAreNone) {
    for (const auto& [line, why] : std::vector<std::pair<std::string, std::string>>{
             {"", "no kind of record"},
             {"wrote stream=s/t", "no kind of record"},
             {"reader_crash", "'reader' is missing"},
             {"reader_crash reader", "not name=value"},
             {"reader_crash reader=r extra=1", "'extra'"},
             {"reader_crash reader=r reader=q", "given twice"},
             {"reader_crash reader=a%2", "two hex digits"},
             {"reader_crash reader=a%zz", "two hex digits"},
             {"reader_crash  reader=r", "not name=value"},
             {"count name=n value=-1", "no number"},
             {"count name=n value=1x", "no number"},
             {"count name=n value=18446744073709551616", "no number"},
             {"read_to_end stream=s/t", "one of the two"},
             {"read_to_end stream=s/t reader=r group=g", "one of the two"},
             {"exit process=n kind=dead", "'kind' is 'dead'"},
             {"count a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p= q=", "more than 16 fields"}}) {
        const auto parsed = parse_line(line);
        ASSERT_FALSE(parsed.ok()) << line;
        EXPECT_TRUE(parsed.error().is(ErrorCode::kCorrupt));
        EXPECT_THAT(parsed.error().detail(), HasSubstr(why)) << line;
    }
}

std::string file_of(const std::vector<Record>& records) {
    std::ostringstream out;
    HistoryWriter writer{out};
    for (const Record& record : records) writer.add(record);
    writer.finish();
    return out.str();
}

Result<void> read_text(const std::string& text, bool may_be_cut_off, History& into) {
    std::istringstream in{text};
    return read_history(in, may_be_cut_off, into);
}

TEST(HistoryFormat, ReadsFilesOneAfterTheOther) {
    const std::string file = file_of(one_of_each());
    History history;
    ASSERT_TRUE(read_text(file + file, false, history).ok());
    EXPECT_EQ(history.writes.size(), 4u);
    EXPECT_EQ(history.reads.size(), 2u);
    EXPECT_EQ(history.floors.size(), 2u);
    EXPECT_TRUE(history.readers[history.reader_names.find("r")].crashed);
}

TEST(HistoryFormat, NoticesEveryCut) {
    const std::string file = file_of(one_of_each());
    for (std::size_t length = 0; length < file.size(); ++length) {
        History history;
        const auto read = read_text(file.substr(0, length), false, history);
        ASSERT_FALSE(read.ok()) << "the first " << length << " bytes";
        EXPECT_TRUE(read.error().is(ErrorCode::kCorrupt));
    }
    History history;
    EXPECT_FALSE(read_text("", true, history).ok());
    // A line that is lost.
    std::string holed = file;
    holed.erase(holed.find("reader_crash"), std::string{"reader_crash reader=r\n"}.size());
    EXPECT_THAT(read_text(holed, false, history).error().detail(), HasSubstr("records"));
}

TEST(HistoryFormat, ReadsWhatAKilledProgramLeft) {
    const std::string file = file_of(one_of_each());
    const std::size_t begin = file.find('\n') + 1;
    for (std::size_t length = begin; length < file.size(); ++length) {
        History history;
        ASSERT_TRUE(read_text(file.substr(0, length), true, history).ok()) << "the first " << length << " bytes";
    }
}

}  // namespace
}  // namespace millrace::history
