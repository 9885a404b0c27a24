// SPDX-License-Identifier: Apache-2.0
//
// A randomised model of the replicated log's protocol (docs/design/replicated-log.md): one log, six
// replicas, up to twenty owners, messages that are lost, doubled, delayed and reordered, crashes that keep any prefix
// of unsynced work, permanent losses and partial amnesia up to what the quorums tolerate, ensemble changes whose
// outcome is learnt late or never, repair, truncation, garbage collection from stale metadata, owners that do not know
// that they were replaced. Disks are reduced to "accepted" and "durable", the metadata store to one compare-and-set
// cell. Not in it: files, checksums, failures of the metadata store, performance.
//
// A seed ends with healing, one clean takeover that must finish, and a look at every acknowledged entry. Each rule of
// the protocol has a switch that breaks it (a mutant); a rule whose mutant survives is a rule that nothing tests.
//
//     millrace_log_model <seeds> [first seed] [write quorum] [ack quorum] [mutant's name or number]
//
// prints totals, or the first seed that violates something. The same arguments always give the same result.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

using std::map;
using std::max;
using std::min;
using std::pair;
using std::set;
using std::string;
using std::vector;

using u64 = unsigned long long;

// xorshift: the same seed does the same thing everywhere.
u64 generator_state = 0;
u64 draw() {
    generator_state ^= generator_state << 13;
    generator_state ^= generator_state >> 7;
    generator_state ^= generator_state << 17;
    return generator_state;
}
int below(int n) { return (int)(draw() % (u64)n); }
bool chance(int pct) { return below(100) < pct; }
int write_quorum = 3, ack_quorum = 2, mutant = 0;
const int kReplicas = 6;
int coverage() { return write_quorum - ack_quorum + 1; }
enum Mutant : int {
    kNone,
    kFenceVolatile,
    kManifestEarly,
    kAckUncommittedEnsemble,
    kAckRemovedMember,
    kCoverageLow,
    kWipedRejoins,
    kCloseBeforeCopy,
    kLacUnclamped,
    kSuspectNegative,
    kNoEpochCheck,
    kAckOutOfOrder,
    kCloseInPlaceWeak,
    kCasBlind,
    kGcCurrentEpoch,
    kKeyWithoutEpoch,
    kAckBeforeSync,
    kRecoveryEnsembleEarly,
    kRepairCasEarly,
    kRepairOpenFragment,
    kFragmentFromFull,
    kPlaceOnSuspect,
    kTruncUnclamped,
    kTruncHintEarly,
    kMutants
};
constexpr const char* mutant_names[] = {"none",
                                        "fence-volatile",
                                        "manifest-early",
                                        "ack-uncommitted-ensemble",
                                        "ack-removed-member",
                                        "coverage-low",
                                        "wiped-rejoins",
                                        "close-before-copy",
                                        "lac-unclamped",
                                        "suspect-negative",
                                        "no-epoch-check",
                                        "ack-out-of-order",
                                        "close-in-place-weak",
                                        "cas-blind",
                                        "gc-current-epoch",
                                        "key-without-epoch",
                                        "ack-before-sync",
                                        "recovery-ensemble-early",
                                        "repair-cas-early",
                                        "repair-open-fragment",
                                        "fragment-from-fully-replicated",
                                        "place-on-suspect",
                                        "trunc-unclamped",
                                        "trunc-hint-early"};
using Key = pair<int, int>;  // ledger epoch, index
Key K(int e, int i) { return mutant == Mutant::kKeyWithoutEpoch ? Key(0, i) : Key(e, i); }
struct Fragment {
    int first;
    set<int> ensemble;
};
struct Ledger {
    int epoch, first;
    vector<Fragment> fragments;
    bool closed;
    int last;
};
// What the metadata store holds: one cell, changed by compare-and-set of `ver`.
struct LogRecord {
    int ver = 0, epoch = 0, trunc = 0;
    vector<Ledger> ledgers;
} record;
vector<LogRecord> record_history;
// What a replica has accepted and not yet synced.
struct Op {
    int kind, epoch, index, val, lac, from, ledger;
};
// A replica's disk is reduced to what is durable and what is accepted; `promised` is the highest epoch it has sworn to.
struct Replica {
    bool up = true, lost = false, damaged = false;
    int promised_durable = 0, promised = 0, lac_durable = -1, suspect = -1;
    map<Key, int> durable;
    vector<Op> q;
};
Replica replicas[kReplicas];
enum { kAdd, kFence, kAddOk, kFenced, kFenceOk };
// In flight; may be lost, doubled, delayed and overtaken.
struct Msg {
    int t, rep, cl, epoch, index, val, lac, ledger;
    bool trust;
    map<int, int> manifests;
};
vector<Msg> net;
enum { kDead, kFencing, kCopying, kWriting };
// One who took the log over: fences, copies, then writes. Those before him may still be running.
struct Owner {
    int state = kDead, epoch = 0, record_version = 0;
    LogRecord view;
    int ledger = 0;
    set<int> members;
    int fragment_first = 0;
    map<int, Msg> manifests;
    int p = 0, end = 0, max_lac = 0;
    map<int, int> vals;
    set<int> copy_members;
    map<int, set<int>> acks;
    int lac = -1, next = 0;
    int born = 0;
    set<int> ensemble, new_ensemble;
    bool change_pending = false, change_applied = false;
    int victim = -1, change_first = 0;
    bool ok = false;
};
vector<Owner> owners;
map<int, int> acked;  // by index: the value that was shown to somebody
int next_value;
string violation;
int die_after_close_percent = 15, takeover_percent = 18;
void violate(const string& s) {
    if (violation.empty()) violation = s;
}
const Fragment& fragment_of(const Ledger& l, int i) {
    size_t k = 0;
    for (size_t j = 0; j < l.fragments.size(); j++)
        if (l.fragments[j].first <= i) k = j;
    return l.fragments[k];
}
int losses_in(const set<int>& e) {
    int n = 0;
    for (int r : e)
        if (replicas[r].lost || replicas[r].damaged) n++;
    return n;
}
bool tolerates(int r) {  // would losing r keep every fragment within Qa-1 lost members?
    for (auto& l : record.ledgers)
        for (auto& f : l.fragments)
            if (f.ensemble.count(r) && losses_in(f.ensemble) + 1 > ack_quorum - 1) return false;
    for (auto& c : owners)
        if (c.state != kDead) {
            for (auto* s : {&c.ensemble, &c.new_ensemble, &c.copy_members})
                if (s->count(r) && losses_in(*s) + 1 > ack_quorum - 1) return false;
        }
    return true;
}
bool pick(set<int>& out, const set<int>& keep, int avoid, int epoch) {
    out = keep;
    out.erase(avoid);
    vector<int> v;
    for (int i = 0; i < kReplicas; i++)
        if (!replicas[i].lost && i != avoid && !out.count(i) &&
            (replicas[i].suspect < epoch || mutant == Mutant::kPlaceOnSuspect))
            v.push_back(i);
    while ((int)out.size() < write_quorum) {
        if (v.empty()) return false;
        int k = below(v.size());
        out.insert(v[k]);
        v.erase(v.begin() + k);
    }
    return true;
}
void send(int t, int r, int c, int e, int i, int v, int lac, int ledger) {
    Msg m{t, r, c, e, i, v, lac, ledger, true, {}};
    net.push_back(m);
}
void acknowledge(int i, int v) {
    auto it = acked.find(i);
    if (it != acked.end() && it->second != v) violate("two values acked at one index");
    acked[i] = v;
}
void apply_operation(Replica& r, const Op& o) {
    if (o.kind == kAdd) {
        r.durable[K(o.ledger, o.index)] = o.val;
        r.lac_durable = max(r.lac_durable, o.lac);
        if (mutant != Mutant::kNoEpochCheck) r.promised_durable = max(r.promised_durable, o.epoch);
    } else if (mutant != Mutant::kFenceVolatile)
        r.promised_durable = max(r.promised_durable, o.epoch);
}
void manifest(Replica& r, int ri, const Op& o, bool) {
    Msg m{kFenceOk,
          ri,
          o.from,
          o.epoch,
          0,
          0,
          r.lac_durable,
          o.ledger,
          !(o.ledger <= r.suspect) || mutant == Mutant::kSuspectNegative,
          {}};
    for (auto& kv : r.durable)
        if ((mutant == Mutant::kKeyWithoutEpoch || kv.first.first == o.ledger) && kv.first.second > r.lac_durable)
            m.manifests[kv.first.second] = kv.second;
    net.push_back(m);
}
void sync_replica(int ri) {
    Replica& r = replicas[ri];
    vector<Op> q;
    q.swap(r.q);
    for (auto& o : q) {
        apply_operation(r, o);
        if (o.kind == kAdd) {
            if (mutant != Mutant::kAckBeforeSync) send(kAddOk, ri, o.from, o.epoch, o.index, o.val, 0, o.ledger);
        } else if (mutant != Mutant::kManifestEarly)
            manifest(r, ri, o, true);
    }
    r.promised = max(r.promised, r.promised_durable);
}
void deliver_to_replica(const Msg& m) {
    Replica& r = replicas[m.rep];
    if (r.lost || !r.up) return;
    if (m.t == kAdd) {
        if (m.ledger <= r.suspect && mutant != Mutant::kPlaceOnSuspect) return;
        if (m.epoch < r.promised && mutant != Mutant::kNoEpochCheck) {
            send(kFenced, m.rep, m.cl, m.epoch, m.index, 0, 0, m.ledger);
            return;
        }
        if (mutant != Mutant::kNoEpochCheck) r.promised = max(r.promised, m.epoch);
        r.q.push_back({kAdd, m.epoch, m.index, m.val, m.lac, m.cl, m.ledger});
        if (mutant == Mutant::kAckBeforeSync) send(kAddOk, m.rep, m.cl, m.epoch, m.index, m.val, 0, m.ledger);
    } else {
        if (m.epoch < r.promised) {
            send(kFenced, m.rep, m.cl, m.epoch, m.index, 0, 0, m.ledger);
            return;
        }
        r.promised = m.epoch;
        Op o{kFence, m.epoch, 0, 0, 0, m.cl, m.ledger};
        r.q.push_back(o);
        if (mutant == Mutant::kManifestEarly) manifest(r, m.rep, o, false);
    }
}
bool cas(Owner& c) { return record.ver == c.record_version || (mutant == Mutant::kCasBlind); }
void advance(Owner& c) {  // writer: advance LAC by the counting rule
    auto cnt = [&](int i) {
        int n = 0;
        for (int r : c.acks[i]) {
            bool in = c.ensemble.count(r);
            if (c.change_pending) {
                if (mutant == Mutant::kAckUncommittedEnsemble)
                    in = c.new_ensemble.count(r);
                else if (mutant != Mutant::kAckRemovedMember)
                    in = in && (i < c.change_first || c.new_ensemble.count(r));
            }
            if (in) n++;
        }
        return n;
    };
    if (mutant == Mutant::kAckOutOfOrder)
        for (int i = c.lac + 1; i < c.next; i++)
            if (cnt(i) >= ack_quorum) acknowledge(i, c.vals[i]);
    while (c.lac + 1 < c.next && cnt(c.lac + 1) >= ack_quorum) {
        c.lac++;
        acknowledge(c.lac, c.vals[c.lac]);
    }
}
void deliver_to_owner(const Msg& m) {
    Owner& c = owners[m.cl];
    if (c.state == kDead || m.epoch != c.epoch) return;
    if (m.t == kFenced) {
        c.state = kDead;
        return;
    }
    if (m.t == kFenceOk && c.state == kFencing) {
        c.manifests[m.rep] = m;
        return;
    }
    if (m.t == kAddOk && m.ledger == c.epoch) {
        c.acks[m.index].insert(m.rep);
        if (c.state == kWriting) advance(c);
    }
}
void send_copies(Owner& c) {
    for (int i = c.p + 1; i <= c.end; i++)
        for (int r : c.copy_members)
            if (!c.acks[i].count(r)) send(kAdd, r, (int)(&c - &owners[0]), c.epoch, i, c.vals[i], c.max_lac, c.epoch);
}
void takeover() {
    Owner c;
    record.epoch++;
    record.ver++;
    c.epoch = record.epoch;
    c.record_version = record.ver;
    c.view = record;
    c.state = kFencing;
    c.born = (int)owners.size();
    if (record.ledgers.empty()) {
        c.p = -1;
        c.end = -1;
        c.max_lac = -1;
        c.state = kCopying;
        if (!pick(c.copy_members, {}, -1, c.epoch)) {
            return;
        }
        owners.push_back(c);
        return;
    }
    Ledger& l = record.ledgers.back();
    c.ledger = l.epoch;
    c.members = l.fragments.back().ensemble;
    c.fragment_first = l.fragments.back().first;
    if (mutant == Mutant::kLacUnclamped) c.fragment_first = l.first;
    owners.push_back(c);
    int id = (int)owners.size() - 1;
    for (int r : c.members) send(kFence, r, id, c.epoch, 0, 0, 0, c.ledger);
}
bool decide(Owner& c) {
    set<int> cov;
    for (auto& kv : c.manifests)
        if (kv.second.trust) cov.insert(kv.first);
    int need = mutant == Mutant::kCoverageLow ? coverage() - 1 : coverage();
    if ((int)cov.size() < max(1, need)) return false;
    c.max_lac = c.fragment_first - 1;
    if (mutant != Mutant::kTruncUnclamped) c.max_lac = max(c.max_lac, c.view.trunc - 1);
    for (auto& kv : c.manifests) c.max_lac = max(c.max_lac, kv.second.lac);
    int e = c.max_lac + 1;
    bool inplace = true;
    c.p = c.max_lac;
    for (;; e++) {
        int n = 0;
        for (auto& kv : c.manifests) {
            auto it = kv.second.manifests.find(e);
            if (it != kv.second.manifests.end()) {
                n++;
                if (c.vals.count(e) && c.vals[e] != it->second) violate("two values under one key");
                c.vals[e] = it->second;
            }
        }
        if (!n) break;
        if (n < (mutant == Mutant::kCloseInPlaceWeak ? 1 : ack_quorum)) inplace = false;
        if (inplace) c.p = e;
    }
    c.end = e - 1;
    if (!pick(c.copy_members, {}, -1, c.epoch)) return false;
    c.acks.clear();
    c.state = kCopying;
    if (mutant == Mutant::kRecoveryEnsembleEarly && cas(c)) {
        record.ver++;
        c.record_version = record.ver;
        Ledger& l = record.ledgers.back();
        Fragment f{c.p + 1, c.copy_members};
        if (l.fragments.back().first >= c.p + 1)
            l.fragments.back().ensemble = c.copy_members;
        else
            l.fragments.push_back(f);
    }
    send_copies(c);
    return true;
}
bool close_by_cas(Owner& c) {
    for (int i = c.p + 1; i <= c.end; i++) {
        int n = 0;
        for (int r : c.copy_members)
            if (c.acks[i].count(r)) n++;
        if (n < ack_quorum && mutant != Mutant::kCloseBeforeCopy) return false;
    }
    if (!cas(c)) {
        c.state = kDead;
        return false;
    }
    record.ver++;
    c.record_version = record.ver;
    if (!record.ledgers.empty()) {
        Ledger& l = record.ledgers.back();
        if (l.closed) {
            if (mutant != Mutant::kCasBlind) violate("closing a closed ledger");
        }
        l.closed = true;
        l.last = c.p;
        while (l.fragments.size() > 1 && l.fragments.back().first > c.p) l.fragments.pop_back();
        if (l.last < l.first) record.ledgers.pop_back();
    }
    Ledger nl{c.epoch, c.p + 1, {Fragment{c.p + 1, c.copy_members}}, false, 0};
    record.ledgers.push_back(nl);
    for (int i = c.max_lac + 1; i <= c.end; i++) acknowledge(i, c.vals[i]); /* recovered entries become visible */
    c.lac = c.end;
    c.next = c.end + 1;
    c.ensemble = c.copy_members;
    c.change_pending = false;
    c.state = kWriting;
    c.ok = true;
    if (chance(die_after_close_percent)) c.state = kDead; /* outcome never learnt */
    return true;
}
void writer_step(Owner& c) {
    int id = (int)(&c - &owners[0]);
    int a = below(100);
    if (a < 45 && c.next - c.lac < 6) {
        int i = c.next++;
        c.vals[i] = next_value++;
        for (int r : c.ensemble) send(kAdd, r, id, c.epoch, i, c.vals[i], c.lac, c.epoch);
        if (c.change_pending)
            for (int r : c.new_ensemble)
                if (!c.ensemble.count(r)) send(kAdd, r, id, c.epoch, i, c.vals[i], c.lac, c.epoch);
    } else if (a < 60) {
        for (int i = max(0, c.lac - 1); i < c.next; i++)
            for (int r : c.ensemble)
                if (c.vals.count(i) && !c.acks[i].count(r)) send(kAdd, r, id, c.epoch, i, c.vals[i], c.lac, c.epoch);
    } else if (a < 72 && !c.change_pending) {
        auto it = c.ensemble.begin();
        advance(c);
        std::advance(it, below(c.ensemble.size()));
        c.victim = *it;
        set<int> ne;
        if (pick(ne, c.ensemble, c.victim, c.epoch) && losses_in(ne) <= ack_quorum - 1) {
            c.new_ensemble = ne;
            c.change_pending = true;
            c.change_applied = false;
            c.change_first = c.lac + 1;
            if (mutant == Mutant::kFragmentFromFull) {
                int f = c.lac;
                while (f >= record.ledgers.back().fragments.back().first && (int)c.acks[f].size() < write_quorum) f--;
                c.change_first = max(f + 1, record.ledgers.back().fragments.back().first);
            }
            for (int i = c.change_first; i < c.next; i++)
                for (int r : c.new_ensemble)
                    if (!c.acks[i].count(r) && c.vals.count(i))
                        send(kAdd, r, id, c.epoch, i, c.vals[i], c.lac, c.epoch);
        }
    } else if (a < 84 && c.change_pending && !c.change_applied) {
        if (!cas(c)) {
            c.state = kDead;
            return;
        }
        record.ver++;
        c.record_version = record.ver;
        Ledger& l = record.ledgers.back();
        if (l.fragments.back().first >= c.change_first)
            l.fragments.back() = Fragment{l.fragments.back().first, c.new_ensemble};
        else
            l.fragments.push_back(Fragment{c.change_first, c.new_ensemble});
        c.change_applied = true;
    } else if (a < 92 && c.change_pending && c.change_applied) {
        c.change_pending = false;
        c.ensemble = c.new_ensemble;
        for (auto& kv : c.acks)
            if (kv.first >= c.change_first) kv.second.erase(c.victim);
        advance(c);
    } else if (a < 94 && c.lac >= 0) {
        int t = c.lac + 1 - below(5);
        if (t <= 0 || t <= c.view.trunc) return;
        if (mutant == Mutant::kTruncHintEarly)
            for (auto& r : replicas)
                std::erase_if(r.durable, [&](const auto& one) { return one.first.second < t; });
        if (!cas(c)) {
            c.state = kDead;
            return;
        }
        record.ver++;
        c.record_version = record.ver;
        record.trunc = t;
        c.view.trunc = t;
        while (record.ledgers.size() > 1 && record.ledgers[0].closed && record.ledgers[0].last < t)
            record.ledgers.erase(record.ledgers.begin());
    } else if (a < 98 && !c.change_pending) {  // repair a closed fragment (owner only)
        vector<pair<int, int>> fs;
        for (size_t x = 0; x < record.ledgers.size(); x++)
            if (record.ledgers[x].closed || mutant == Mutant::kRepairOpenFragment)
                for (size_t y = 0; y < record.ledgers[x].fragments.size(); y++) fs.push_back({(int)x, (int)y});
        if (fs.empty() || record.ver != c.record_version) return;
        auto s = fs[below(fs.size())];
        Ledger& l = record.ledgers[s.first];
        Fragment& f = l.fragments[s.second];
        int last = l.closed ? l.last : c.lac;
        if (s.second + 1 < (int)l.fragments.size()) last = l.fragments[s.second + 1].first - 1;
        int dead = -1;
        for (int r : f.ensemble)
            if (replicas[r].lost || replicas[r].damaged || chance(20)) dead = r;
        if (dead < 0) return;
        vector<int> t;
        for (int r = 0; r < kReplicas; r++)
            if (!replicas[r].lost && replicas[r].up && !f.ensemble.count(r) && replicas[r].promised <= c.epoch &&
                !(l.epoch <= replicas[r].suspect))
                t.push_back(r);
        if (t.empty()) return;
        int T = t[below(t.size())];
        if (mutant != Mutant::kRepairCasEarly)
            for (int i = max(f.first, record.trunc); i <= last; i++) {
                bool got = false;
                int v = 0;
                for (int r : f.ensemble)
                    if (!replicas[r].lost && replicas[r].durable.count(K(l.epoch, i))) {
                        got = true;
                        v = replicas[r].durable[K(l.epoch, i)];
                    }
                if (!got) return;
                replicas[T].durable[K(l.epoch, i)] = v;
            }
        record.ver++;
        c.record_version = record.ver;
        f.ensemble.erase(dead);
        f.ensemble.insert(T);
    }
}
void check_end() {
    for (auto& a : acked)
        if (a.first >= record.trunc) {
            const Ledger* L = nullptr;
            for (auto& l : record.ledgers)
                if (l.first <= a.first && (!l.closed || a.first <= l.last)) L = &l;
            if (!L) {
                violate("acked entry outside the log");
                return;
            }
            const Fragment& f = fragment_of(*L, a.first);
            int same = 0, diff = 0;
            for (int r : f.ensemble)
                if (!replicas[r].lost) {
                    auto it = replicas[r].durable.find(K(L->epoch, a.first));
                    if (it != replicas[r].durable.end()) (it->second == a.second ? same : diff)++;
                }
            if (diff) violate("acked index holds another value");
            if (!same) violate("acked entry unreadable");
        }
    int open = 0;
    for (size_t x = 0; x < record.ledgers.size(); x++) {
        if (!record.ledgers[x].closed) open++;
        if (x && record.ledgers[x].first != record.ledgers[x - 1].last + 1) violate("gap or overlap between ledgers");
    }
    if (open > 1) violate("two open ledgers");
}
struct Totals {
    long steps = 0, acknowledged = 0, takeovers = 0;
};
void run(u64 seed, Totals& totals) {
    generator_state = seed * 0x9E3779B97F4A7C15ull + 0x1234567;
    for (int i = 0; i < 8; i++) draw();
    record = LogRecord();
    record_history.clear();
    for (auto& r : replicas) r = Replica();
    net.clear();
    owners.clear();
    owners.reserve(64);
    acked.clear();
    next_value = 1;
    violation.clear();
    int lvl = below(3);
    takeover_percent = lvl == 0 ? 2 : lvl == 1 ? 8 : 30;
    die_after_close_percent = lvl == 2 ? 15 : 5;
    int gc = chance(25) ? 4 : 1;
    takeover();
    int S = 200 + below(1200), faults = below(4);
    int losses_max = 1 + below(3), losses = 0;
    for (int s = 0; s < S && violation.empty(); s++) {
        totals.steps++;
        if (record_history.empty() || record_history.back().ver != record.ver) record_history.push_back(record);
        int a = below(100);
        if (a < 46 && !net.empty()) {
            int k = below(net.size());
            if (chance(40)) k = below(min<int>(4, net.size()));
            Msg m = net[k];
            int d = below(100);
            if (d >= 4 + faults) {
                if (d < 96) net.erase(net.begin() + k);
                if (m.t == kAdd || m.t == kFence)
                    deliver_to_replica(m);
                else
                    deliver_to_owner(m);
            } else
                net.erase(net.begin() + k);
            if (net.size() > 200) net.erase(net.begin(), net.begin() + 50);
        } else if (a < 62) {
            int r = below(kReplicas);
            if (replicas[r].up && !replicas[r].lost) sync_replica(r);
        } else if (a < 84) {
            vector<int> v;
            for (size_t i = 0; i < owners.size(); i++)
                if (owners[i].state != kDead) v.push_back((int)i);
            if (v.empty()) {
                if (owners.size() < 20) {
                    takeover();
                    totals.takeovers++;
                }
            } else {
                Owner& c = owners[v[below(v.size())]];
                if (c.state == kFencing) {
                    if (chance(25))
                        for (int r : c.members)
                            if (!c.manifests.count(r))
                                send(kFence, r, (int)(&c - &owners[0]), c.epoch, 0, 0, 0, c.ledger);
                    if (chance(50)) decide(c);
                } else if (c.state == kCopying) {
                    if (chance(30)) send_copies(c);
                    if (chance(6)) {
                        set<int> m;
                        if (pick(m, {}, -1, c.epoch) && losses_in(m) <= ack_quorum - 1) {
                            c.copy_members = m;
                            send_copies(c);
                        }
                    }
                    close_by_cas(c);
                } else
                    writer_step(c);
            }
        } else if (a < 88) {
            if (owners.size() < 20 && chance(takeover_percent)) {
                takeover();
                totals.takeovers++;
            }
        } else if (a < 91) {
            if (chance(10) && !owners.empty()) owners[below(owners.size())].state = kDead;
        } else if (a < 95) {
            int r = below(kReplicas);
            Replica& x = replicas[r];
            if (!x.lost) {
                if (x.up) {
                    if (chance(30 + 15 * faults)) {
                        int k = below((int)x.q.size() + 1);
                        for (int j = 0; j < k; j++) apply_operation(x, x.q[j]);
                        x.q.clear();
                        x.promised = x.promised_durable;
                        x.up = chance(50);
                    }
                } else {
                    x.up = true;
                }
            }
        } else if (a < 97) {
            int r = below(kReplicas);
            if (losses < losses_max && !replicas[r].lost && !replicas[r].damaged && chance(25) && tolerates(r)) {
                losses++;
                int kind = below(3);
                if (kind == 0) {
                    replicas[r].lost = true;
                } else if (kind == 1) {
                    if (mutant == Mutant::kWipedRejoins) {
                        replicas[r] = Replica();
                        replicas[r].damaged = true;
                    } else
                        replicas[r].lost = true;
                } else {
                    Replica& x = replicas[r];
                    x.q.clear();
                    for (auto it = x.durable.begin(); it != x.durable.end();)
                        if (chance(60))
                            it = x.durable.erase(it);
                        else
                            ++it;
                    x.damaged = true;
                    x.suspect = record.epoch;
                    x.promised_durable = record.epoch;

                    x.promised = x.promised_durable;
                    x.lac_durable = -1;
                }
            }
        } else if (a < 97 + gc - (gc == 4 ? 1 : 0)) {
            int r = below(kReplicas);
            Replica& x = replicas[r];
            const LogRecord& seen =
                chance(50) || record_history.empty()
                    ? record
                    : record_history[record_history.size() - 1 - below(min<int>(6, record_history.size()))];
            for (auto it = x.durable.begin(); it != x.durable.end();) {
                int e = it->first.first;
                bool listed = false;
                for (auto& l : seen.ledgers)
                    if (l.epoch == e) listed = true;
                bool g = mutant != Mutant::kKeyWithoutEpoch && !listed &&
                         (mutant == Mutant::kGcCurrentEpoch ? e <= seen.epoch : e < seen.epoch);
                if (it->first.second < seen.trunc) g = true;
                for (auto& l : seen.ledgers)
                    if (l.epoch == e && l.closed && it->first.second > l.last && mutant != Mutant::kKeyWithoutEpoch)
                        g = true;
                if (g)
                    it = x.durable.erase(it);
                else
                    ++it;
            }
        }
    }
    if (violation.empty()) {  // heal everything and demand that one clean takeover finishes
        net.clear();
        for (auto& r : replicas) r.up = true;
        for (auto& r : replicas) {
            r.q.clear();
            r.promised = r.promised_durable;
        }
        for (auto& c : owners) c.state = kDead;
        size_t before = owners.size();
        takeover();
        if (owners.size() == before) {
            totals.acknowledged += acked.size();
            return;
        }
        int id = (int)owners.size() - 1;
        {
            set<int> t;
            if (!pick(t, {}, -1, record.epoch)) {
                totals.acknowledged += acked.size();
                return;
            }
        }
        bool done = false;
        for (int s = 0; s < 4000 && !done && violation.empty(); s++) {
            if (!net.empty()) {
                Msg m = net.front();
                net.erase(net.begin());
                if (m.t == kAdd || m.t == kFence)
                    deliver_to_replica(m);
                else
                    deliver_to_owner(m);
            }
            for (int r = 0; r < kReplicas; r++)
                if (!replicas[r].lost) sync_replica(r);
            Owner& c = owners[id];
            if (c.state == kFencing)
                decide(c);
            else if (c.state == kCopying) {
                if (close_by_cas(c))
                    done = true;
                else if (net.empty())
                    send_copies(c);
            } else if (c.state == kDead)
                break;
        }
        if (!done && violation.empty()) violate("healed takeover did not finish");
        check_end();
    }
    totals.acknowledged += acked.size();
}

int mutant_from(const char* text) {
    for (int i = 0; i < kMutants; i++)
        if (std::strcmp(text, mutant_names[i]) == 0) return i;
    return std::atoi(text);
}

}  // namespace

int main(int count, char** arguments) {
    const long seeds = count > 1 ? std::atol(arguments[1]) : 1000;
    const u64 first = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
    if (count > 3) write_quorum = std::atoi(arguments[3]);
    if (count > 4) ack_quorum = std::atoi(arguments[4]);
    if (count > 5) mutant = mutant_from(arguments[5]);
    if (seeds < 1 || write_quorum < 1 || write_quorum > kReplicas || ack_quorum < 1 || ack_quorum > write_quorum ||
        mutant < 0 || mutant >= kMutants) {
        std::fprintf(stderr, "millrace_log_model SEEDS [FIRST] [WRITE QUORUM 1..%d] [ACK QUORUM 1..WRITE] [MUTANT]\n",
                     kReplicas);
        return 2;
    }
    Totals totals;
    for (long i = 0; i < seeds; i++) {
        run(first + static_cast<u64>(i), totals);
        if (violation.empty()) continue;
        std::printf("%-32s qw=%d qa=%d VIOLATION seed=%llu after %ld seeds: %s\n", mutant_names[mutant], write_quorum,
                    ack_quorum, first + static_cast<u64>(i), i + 1, violation.c_str());
        return 1;
    }
    std::printf("%-32s qw=%d qa=%d clean: %ld seeds, %ld steps, %ld acked entries, %ld takeovers\n",
                mutant_names[mutant], write_quorum, ack_quorum, seeds, totals.steps, totals.acknowledged,
                totals.takeovers);
    return 0;
}
