// SPDX-License-Identifier: Apache-2.0
#include "common/wire/testing/golden_frames.h"

namespace millrace::wire::testing {

const std::vector<GoldenFrame>& golden_frames() {
    static const std::vector<GoldenFrame> kGoldens = {
        {"Hello", Hello{16, 5}, "ffffff81 00000008 00000010 00000005"},
        {"KeepAlive", KeepAlive{}, "00000064 00000000"},
        {"Padding", Padding{5}, "ffffffff 00000005 0000000000"},
        {"PartialEvent", PartialEvent{golden_bytes("000000000000000677")}, "fffffffe 00000009 00000000 00000006 77"},
        {"SetupAppend", SetupAppend{kGoldenFlow1, golden_writer(), kGoldenSegment, ""},
         "00000001 0000002a 0000000100000000 112233445566778899aabbccddeeff00 000e 732f742f302e2365706f63682e30 0000"},
        {"AppendSetup", AppendSetup{kGoldenFlow1, kGoldenSegment, golden_writer(), kNoEventNumber},
         "00000002 00000030 0000000100000000 000e 732f742f302e2365706f63682e30 112233445566778899aabbccddeeff00"
         "8000000000000000"},
        {"AppendBlockPadded",
         AppendBlock{golden_writer(),
                     golden_bytes("00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 ffffffff 00000005 0000000000")},
         "00000003 00000038 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
         "00000000 00000006 776f726c6421 ffffffff 00000005 0000000000"},
        {"AppendBlockEndAfterPadding", AppendBlockEnd{golden_writer(), 27, {}, 2, 2, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000001b 00000000 00000002 0000000000000002"
         "0000000100000000"},
        {"AppendBlockSplit",
         AppendBlock{golden_writer(), golden_bytes("00000000 00000005 68656c6c6f fffffffe 00000009 00000000 00000006 77")},
         "00000003 0000002e 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"
         "fffffffe 00000009 00000000 00000006 77"},
        {"AppendBlockEndAfterSplit", AppendBlockEnd{golden_writer(), 13, Bytes::copy_of("orld!"), 2, 2, kGoldenFlow1},
         "00000004 00000031 112233445566778899aabbccddeeff00"
         "0000000d 00000005 6f726c6421 00000002 0000000000000002 0000000100000000"},
        {"AppendBlockSingle", AppendBlock{golden_writer(), golden_bytes("00000000 00000005 68656c6c6f")},
         "00000003 0000001d 112233445566778899aabbccddeeff00 00000000 00000005 68656c6c6f"},
        {"AppendBlockEndSingle", AppendBlockEnd{golden_writer(), 13, {}, 1, 1, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 0000000d 00000000 00000001 0000000000000001"
         "0000000100000000"},
        {"AppendBlockEndAlone",
         AppendBlockEnd{golden_writer(), 27, golden_bytes("00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421"), 2, 2, 8},
         "00000004 00000047 112233445566778899aabbccddeeff00 0000001b 0000001b"
         "00000000 00000005 68656c6c6f 00000000 00000006 776f726c6421 00000002 0000000000000002 0000000000000008"},
        {"AppendBlockEmpty", AppendBlock{golden_writer(), {}}, "00000003 00000010 112233445566778899aabbccddeeff00"},
        {"AppendBlockEndEmpty", AppendBlockEnd{golden_writer(), 0, {}, 1, 3, kGoldenFlow1},
         "00000004 0000002c 112233445566778899aabbccddeeff00 00000000 00000000 00000001 0000000000000003"
         "0000000100000000"},
        {"DataAppended", DataAppended{golden_writer(), 2, kNoEventNumber, kGoldenFlow1, 27},
         "00000007 00000030 112233445566778899aabbccddeeff00 0000000000000002 8000000000000000"
         "0000000100000000 000000000000001b"},
        {"ReadSegment", ReadSegment{kGoldenSegment, 0, 262'144, "", kGoldenFlow5},
         "00000009 00000026 000e732f742f302e2365706f63682e30 0000000000000000 00040000 0000 0000000500000000"},
        {"SegmentRead", SegmentRead{kGoldenSegment, 0, false, false, golden_bytes("000000000000000568656c6c6f"), kGoldenFlow5},
         "0000000a 00000033 000e732f742f302e2365706f63682e30 0000000000000000 00 00 0000000d"
         "000000000000000568656c6c6f 0000000500000000"},
        {"GetStreamSegmentInfo", GetStreamSegmentInfo{kGoldenFlow1 + 2, kGoldenSegment, "tok"},
         "0000000b 0000001d 0000000100000002 000e732f742f302e2365706f63682e30 0003746f6b"},
        {"StreamSegmentInfo", StreamSegmentInfo{7, "s/t", true, false, false, 0x0102030405060708, 27, 13},
         "0000000c 00000028 0000000000000007 0003732f74 01 00 00 0102030405060708 000000000000001b 000000000000000d"},
        {"CreateSegment", CreateSegment{7, "s/t", 100, 2, "", 64},
         "00000014 0000001c 0000000000000007 0003732f74 00000064 02 0000 0000000000000040"},
        {"SegmentCreated", SegmentCreated{7, "s/t"}, "00000015 0000000d 0000000000000007 0003732f74"},
        {"SealSegment", SealSegment{7, "s/t", ""}, "0000001c 0000000f 0000000000000007 0003732f74 0000"},
        {"SegmentSealed", SegmentSealed{7, "s/t"}, "0000001d 0000000d 0000000000000007 0003732f74"},
        {"DeleteSegment", DeleteSegment{7, "s/t", ""}, "0000001e 0000000f 0000000000000007 0003732f74 0000"},
        {"SegmentDeleted", SegmentDeleted{7, "s/t"}, "0000001f 0000000d 0000000000000007 0003732f74"},
        {"WrongHost", WrongHost{kGoldenFlow5, kGoldenSegment, "", ""},
         "00000032 0000001c 0000000500000000 000e732f742f302e2365706f63682e30 0000 0000"},
        {"SegmentIsSealed", SegmentIsSealed{7, "s/t", "", 9},
         "00000033 00000017 0000000000000007 0003732f74 0000 0000000000000009"},
        {"SegmentAlreadyExists", SegmentAlreadyExists{7, "s/t", ""}, "00000034 0000000f 0000000000000007 0003732f74 0000"},
        {"NoSuchSegment", NoSuchSegment{kGoldenFlow1, kGoldenSegment, "", -1},
         "00000035 00000022 0000000100000000 000e732f742f302e2365706f63682e30 0000 ffffffffffffffff"},
        {"InvalidEventNumber", InvalidEventNumber{golden_writer(), kGoldenFlow1, "", 2},
         "00000037 00000022 112233445566778899aabbccddeeff00 0000000100000000 0000 0000000000000002"},
        {"SegmentIsTruncated", SegmentIsTruncated{7, "s/t", 5, "", 9},
         "00000038 0000001f 0000000000000007 0003732f74 0000000000000005 0000 0000000000000009"},
        {"OperationUnsupported", OperationUnsupported{7, "op", ""}, "00000039 0000000e 0000000000000007 00026f70 0000"},
        {"AuthTokenCheckFailed", AuthTokenCheckFailed{3, "", 1}, "0000003c 0000000e 0000000000000003 0000 00000001"},
        {"ErrorMessage", ErrorMessage{7, "s/t", "bad", 0},
         "0000003d 00000016 0000000000000007 0003732f74 0003626164 00000000"},
        {"ConditionalAppend", ConditionalAppend{golden_writer(), 2, 13, golden_bytes("00000000 00000005 68656c6c6f"), 7},
         "00000005 00000035 112233445566778899aabbccddeeff000000000000000002000000000000000d00000000000000"
         "0568656c6c6f0000000000000007"},
        {"ConditionalBlockEnd", ConditionalBlockEnd{golden_writer(), 2, 13, Bytes::copy_of("abc"), 7},
         "00000059 0000002f 112233445566778899aabbccddeeff000000000000000002000000000000000d00000003616263"
         "0000000000000007"},
        {"ConditionalCheckFailed", ConditionalCheckFailed{golden_writer(), 2, 7},
         "00000008 00000020 112233445566778899aabbccddeeff0000000000000000020000000000000007"},
        {"CreateTransientSegment", CreateTransientSegment{7, golden_writer(), "s/t", "tok"},
         "00000028 00000022 0000000000000007112233445566778899aabbccddeeff000003732f740003746f6b"},
        {"TruncateSegment", TruncateSegment{7, "s/t", 13, "tok"},
         "00000026 0000001a 00000000000000070003732f74000000000000000d0003746f6b"},
        {"SegmentTruncated", SegmentTruncated{7, "s/t"},
         "00000027 0000000d 00000000000000070003732f74"},
        {"UpdateSegmentPolicy", UpdateSegmentPolicy{7, "s/t", 100, 1, "tok"},
         "00000020 00000017 00000000000000070003732f7400000064010003746f6b"},
        {"SegmentPolicyUpdated", SegmentPolicyUpdated{7, "s/t"},
         "00000021 0000000d 00000000000000070003732f74"},
        {"GetSegmentAttribute", GetSegmentAttribute{7, "s/t", golden_attribute(), "tok"},
         "00000022 00000022 00000000000000070003732f740102030405060708090a0b0c0d0e0f100003746f6b"},
        {"SegmentAttribute", SegmentAttribute{7, kNoAttributeValue},
         "00000023 00000010 00000000000000078000000000000000"},
        {"UpdateSegmentAttribute", UpdateSegmentAttribute{7, "s/t", golden_attribute(), 5, -2, "tok"},
         "00000024 00000032 00000000000000070003732f740102030405060708090a0b0c0d0e0f100000000000000005ffff"
         "fffffffffffe0003746f6b"},
        {"SegmentAttributeUpdated", SegmentAttributeUpdated{7, true},
         "00000025 00000009 000000000000000701"},
        {"LocateOffset", LocateOffset{7, "s/t", 13, "tok"},
         "00000029 0000001a 00000000000000070003732f74000000000000000d0003746f6b"},
        {"OffsetLocated", OffsetLocated{7, "s/t", 27},
         "0000002a 00000015 00000000000000070003732f74000000000000001b"},
        {"MergeSegments", MergeSegments{7, "s/t", "s/u", "tok", {{golden_attribute(), 4, 5, -2}}},
         "0000003a 0000003c 00000000000000070003732f740003732f750003746f6b000000010102030405060708090a0b0c"
         "0d0e0f10040000000000000005fffffffffffffffe"},
        {"SegmentsMerged", SegmentsMerged{7, "s/t", "s/u", 27},
         "0000003b 0000001a 00000000000000070003732f740003732f75000000000000001b"},
        {"MergeSegmentsBatch", MergeSegmentsBatch{7, "s/t", {"s/u", "s/v"}, "tok"},
         "0000005a 00000020 00000000000000070003732f74000000020003732f750003732f760003746f6b"},
        {"SegmentsBatchMerged", SegmentsBatchMerged{7, "s/t", {{"s/u", 13}, {"s/v", 27}}},
         "0000005b 0000002b 00000000000000070003732f74000000020003732f75000000000000000d0003732f7600000000"
         "0000001b"},
        {"TableSegmentNotEmpty", TableSegmentNotEmpty{7, "s/t", ""},
         "00000050 0000000f 00000000000000070003732f740000"},
        {"TableKeyDoesNotExist", TableKeyDoesNotExist{7, "s/t", ""},
         "00000051 0000000f 00000000000000070003732f740000"},
        {"TableKeyBadVersion", TableKeyBadVersion{7, "s/t", "at"},
         "00000052 00000011 00000000000000070003732f7400026174"},
        {"CreateTableSegment", CreateTableSegment{7, "s/t", "tok", false, 16, 64},
         "00000046 0000001f 00000000000000070003732f740003746f6b00000000100000000000000040"},
        {"DeleteTableSegment", DeleteTableSegment{7, "s/t", true, "tok"},
         "00000047 00000013 00000000000000070003732f74010003746f6b"},
        {"GetTableSegmentInfo", GetTableSegmentInfo{7, "s/t", "tok"},
         "00000044 00000012 00000000000000070003732f740003746f6b"},
        {"TableSegmentInfo", TableSegmentInfo{7, "s/t", 1, 2, 3, 16},
         "00000045 00000029 00000000000000070003732f740000000000000001000000000000000200000000000000030000"
         "0010"},
        {"UpdateTableEntries", UpdateTableEntries{7, "s/t", "tok", {{{Bytes::copy_of("k"), kTableKeyNotExists}, Bytes::copy_of("vv")}, {{Bytes::copy_of("ab"), kNoTableKeyVersion}, {}}}, 9},
         "0000004a 00000053 00000000000000070003732f740003746f6b000000020000000d000000016bffffffffffffffff"
         "000000060000000276760000000e000000026162800000000000000000000004000000000000000000000009"},
        {"TableEntriesUpdated", TableEntriesUpdated{7, {1, 2}},
         "0000004b 0000001c 00000000000000070000000200000000000000010000000000000002"},
        {"RemoveTableKeys", RemoveTableKeys{7, "s/t", "tok", {{Bytes::copy_of("k"), kTableKeyNotExists}, {Bytes::copy_of("ab"), 7}}, -1},
         "0000004c 00000041 00000000000000070003732f740003746f6b000000020000000d000000016bffffffffffffffff"
         "0000000e0000000261620000000000000007ffffffffffffffff"},
        {"TableKeysRemoved", TableKeysRemoved{7, "s/t"},
         "0000004d 0000000d 00000000000000070003732f74"},
        {"ReadTable", ReadTable{7, "s/t", "tok", {{Bytes::copy_of("k"), kTableKeyNotExists}, {Bytes::copy_of("ab"), 7}}},
         "0000004e 00000039 00000000000000070003732f740003746f6b000000020000000d000000016bffffffffffffffff"
         "0000000e0000000261620000000000000007"},
        {"TableRead", TableRead{7, "s/t", {{{Bytes::copy_of("k"), kTableKeyNotExists}, Bytes::copy_of("vv")}, {{Bytes::copy_of("ab"), kNoTableKeyVersion}, {}}}},
         "0000004f 00000046 00000000000000070003732f74000000020000000d000000016bffffffffffffffff0000000600"
         "00000276760000000e00000002616280000000000000000000000400000000"},
        {"ReadTableKeys", ReadTableKeys{7, "s/t", "tok", 10, {Bytes::copy_of("go on"), {}, {}}},
         "00000053 0000002b 00000000000000070003732f740003746f6b0000000a00000005676f206f6e0000000000000000"
         "00000000"},
        {"TableKeysRead", TableKeysRead{7, "s/t", {{Bytes::copy_of("k"), kTableKeyNotExists}, {Bytes::copy_of("ab"), 7}}, Bytes::copy_of("go on")},
         "00000054 0000003d 00000000000000070003732f74000000020000000d000000016bffffffffffffffff0000000e00"
         "0000026162000000000000000700000005676f206f6e"},
        {"ReadTableEntries", ReadTableEntries{7, "s/t", "tok", 10, {{}, Bytes::copy_of("aa"), Bytes::copy_of("zz")}},
         "00000055 0000002a 00000000000000070003732f740003746f6b0000000a0000000000000000000000026161000000"
         "027a7a"},
        {"TableEntriesRead", TableEntriesRead{7, "s/t", {{{Bytes::copy_of("k"), kTableKeyNotExists}, Bytes::copy_of("vv")}, {{Bytes::copy_of("ab"), kNoTableKeyVersion}, {}}}, Bytes::copy_of("go on")},
         "00000056 0000004f 00000000000000070003732f74000000020000000d000000016bffffffffffffffff0000000600"
         "00000276760000000e0000000261628000000000000000000000040000000000000005676f206f6e"},
        {"ReadTableEntriesDelta", ReadTableEntriesDelta{7, "s/t", "tok", 9, 10},
         "00000058 0000001e 00000000000000070003732f740003746f6b00000000000000090000000a"},
        {"TableEntriesDeltaRead", TableEntriesDeltaRead{7, "s/t", {{{Bytes::copy_of("k"), kTableKeyNotExists}, Bytes::copy_of("vv")}, {{Bytes::copy_of("ab"), kNoTableKeyVersion}, {}}}, false, true, 27},
         "00000057 00000050 00000000000000070003732f74000000020000000d000000016bffffffffffffffff0000000600"
         "00000276760000000e000000026162800000000000000000000004000000000001000000000000001b"},
        {"FlushToStorage", FlushToStorage{3, "tok", 7},
         "fffffffd 00000011 000000030003746f6b0000000000000007"},
        {"StorageFlushed", StorageFlushed{7},
         "fffffffc 00000008 0000000000000007"},
        {"ListStorageChunks", ListStorageChunks{"s/t", "tok", 7},
         "fffffffb 00000012 0003732f740003746f6b0000000000000007"},
        {"StorageChunksListed", StorageChunksListed{7, {{10, 9, 8, "chunk", true}}},
         "fffffffa 0000002c 000000000000000700000001000000000000000a00000000000000090000000000000008000563"
         "68756e6b01"},
        // As the protocol's own tests have them.
        {"UpdateTableEntriesOfAJavaClient",
         UpdateTableEntries{11, "s/k_kvtable/0.#epoch.0", "", {{{Bytes::copy_of("k"), kTableKeyNotExists}, Bytes::copy_of("vv")}}, -1},
         "0000004a 00000049 000000000000000b 0016732f6b5f6b767461626c652f302e2365706f63682e30 0000 00000001"
         "0000000d 00000001 6b ffffffffffffffff 00000006 00000002 7676 ffffffffffffffff"},
        {"TableReadOfAnAbsentKey", TableRead{11, "t", {{{Bytes::copy_of("k"), kTableKeyNotExists}, {}}}},
         "0000004f 00000028 000000000000000b 000174 00000001 0000000d 00000001 6b ffffffffffffffff 00000004 00000000"},
        {"ReadTableKeysOfARange", ReadTableKeys{12, "t", "", 10, {{}, golden_bytes("00"), golden_bytes("ff")}},
         "00000053 00000023 000000000000000c 000174 0000 0000000a 00000000 00000000 00000001 00 00000001 ff"},
        {"ReadTableOfAnEmptyKey", ReadTable{7, "t", "", {{}, {Bytes::copy_of("k"), 5}}},
         "0000004e 0000002a 0000000000000007 000174 0000 00000002 0000000c 00000000 0000000d 00000001 6b 0000000000000005"},
    };
    return kGoldens;
}

}  // namespace millrace::wire::testing
