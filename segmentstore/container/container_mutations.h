// SPDX-License-Identifier: Apache-2.0
//
// Rules of a container that tests break, one at a time, to see that the simulator notices.
#pragma once

namespace millrace::container {

// Only tests set any of these.
struct ContainerMutations {
    bool reply_without_waiting = false;         // outcomes depend on nothing, so replies run ahead of the log
    bool answer_without_proof = false;          // facts are answered from memory by who may have been replaced
    bool truncate_at_snapshot = false;          // the log begins where the snapshot was taken, not at its cursor
    bool remove_before_anchor = false;          // the last snapshot goes before the log names the new one
    bool show_before_last_entry = false;        // an operation counts as committed when its first entry is
    bool snapshot_admitted_attributes = false;  // event numbers are kept whose appends may never be
    bool keep_credits = false;                  // what a stopped container never committed stays charged
    bool ignore_first_of_epoch = false;         // what an owner left unfinished is continued by the next
    bool forget_late_objects = false;           // what a replaced owner may still write is looked for only once
};

}  // namespace millrace::container
