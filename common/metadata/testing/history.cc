// SPDX-License-Identifier: Apache-2.0
//
// The writes that took effect are put in the order of their ids and carried out on a model; everything else must fit some
// moment between two of them. The model is deliberately not the code of tree_rules.
#include "common/metadata/testing/history.h"

#include <algorithm>
#include <map>

namespace millrace::metadata {

namespace {

constexpr std::size_t kViolationsMax = 10;

struct ModelNode {
    std::string value;
    Stat stat;
};

struct Trigger {
    EventKind kind;
    std::string path;
};

std::string above(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

struct Model {
    std::map<std::string, ModelNode> nodes{{"/", {}}};

    std::vector<std::string> names(const std::string& path) const {
        std::vector<std::string> names;
        for (const auto& [other, node] : nodes) {
            if (other != "/" && above(other) == path) names.push_back(other.substr(other.rfind('/') + 1));
        }
        return names;
    }

    std::optional<ErrorCode> apply(const std::vector<Operation>& operations, SessionId session, ChangeId id,
                                   std::vector<Trigger>& triggers) {
        for (const Operation& operation : operations) {
            const std::string& path = path_of(operation);
            if (const auto* create = std::get_if<Create>(&operation)) {
                if (nodes.contains(path)) return ErrorCode::kAlreadyExists;
                const auto parent = nodes.find(above(path));
                if (parent == nodes.end()) return ErrorCode::kNotFound;
                if (parent->second.stat.ephemeral_owner != SessionId{}) return ErrorCode::kFailedPrecondition;
                ++parent->second.stat.children;
                parent->second.stat.children_changed = id;
                Stat stat;
                if (create->lifetime == Lifetime::kEphemeral) stat.ephemeral_owner = session;
                stat.created = id;
                stat.changed = id;
                stat.children_changed = id;
                nodes[path] = {create->value, stat};
                triggers.push_back({EventKind::kCreated, path});
                triggers.push_back({EventKind::kChildrenChanged, above(path)});
                continue;
            }
            const auto found = nodes.find(path);
            if (found == nodes.end()) return ErrorCode::kNotFound;
            Version expected = kAnyVersion;
            if (const auto* set = std::get_if<Set>(&operation)) expected = set->expected;
            if (const auto* remove = std::get_if<Remove>(&operation)) expected = remove->expected;
            if (const auto* check = std::get_if<Check>(&operation)) expected = check->expected;
            if (expected != kAnyVersion && expected != found->second.stat.version) return ErrorCode::kVersionMismatch;
            if (const auto* set = std::get_if<Set>(&operation)) {
                found->second.value = set->value;
                found->second.stat.version = next(found->second.stat.version);
                found->second.stat.changed = id;
                triggers.push_back({EventKind::kChanged, path});
            } else if (std::holds_alternative<Remove>(operation)) {
                if (found->second.stat.children > 0) return ErrorCode::kFailedPrecondition;
                remove(path, id, triggers);
            }
        }
        return std::nullopt;
    }

    void remove(const std::string& path, ChangeId id, std::vector<Trigger>& triggers) {
        nodes.erase(path);
        Stat& parent = nodes.at(above(path)).stat;
        --parent.children;
        parent.children_changed = id;
        triggers.push_back({EventKind::kDeleted, path});
        triggers.push_back({EventKind::kChildrenChanged, above(path)});
    }

    void end_session(SessionId session, ChangeId id, std::vector<Trigger>& triggers) {
        std::vector<std::string> gone;
        for (const auto& [path, node] : nodes) {
            if (node.stat.ephemeral_owner == session) gone.push_back(path);
        }
        for (const std::string& path : gone) remove(path, id, triggers);
    }

    bool fits(const History::Read& read) const {
        const auto found = nodes.find(read.path);
        if ((found != nodes.end()) != read.found) return false;
        if (!read.found) return true;
        if (read.kind == History::ReadKind::kChildren) return names(read.path) == read.names;
        if (read.kind == History::ReadKind::kGet && read.value != found->second.value) return false;
        const Stat& stat = found->second.stat;
        // Implementations may have nodes of their own below the root.
        if (read.path == "/") return stat.children == read.stat.children;
        return stat == read.stat;
    }
};

class Checker {
public:
    explicit Checker(const History& history) : history_{history} {}

    std::vector<std::string> run() {
        replay();
        if (violations_.empty()) check_order_of_writes();
        if (violations_.empty()) check_refusals();
        if (violations_.empty()) check_reads();
        if (violations_.empty()) check_watches();
        return std::move(violations_);
    }

private:
    struct Step {
        ChangeId id;
        std::uint64_t began = 0;  // before which it cannot have happened
        const History::Write* write = nullptr;
        const History::End* end = nullptr;
        std::vector<Trigger> triggers;
    };

    template <class... Parts>
    void violation(const Parts&... parts) {
        if (violations_.size() == kViolationsMax) return;
        std::string text;
        ((text += parts), ...);
        violations_.push_back(std::move(text));
    }
    static std::string describe(const History::Write& write) {
        std::string text = "session " + to_string(write.session) + " [";
        for (const Operation& operation : write.operations) text += to_string(operation) + " ";
        return text + "]";
    }
    static std::string describe(const History::Read& read) {
        constexpr const char* kKinds[] = {"get ", "stat ", "children "};
        std::string text = "session " + to_string(read.session) + " " + kKinds[static_cast<int>(read.kind)] + read.path +
                           (read.latest ? " (latest)" : "") + " at " + std::to_string(read.ended) + " -> ";
        if (!read.found) return text + "nothing";
        if (read.kind == History::ReadKind::kChildren) {
            for (const std::string& name : read.names) text += name + " ";
            return text;
        }
        return text + read.value + " version " + to_string(read.stat.version) + " created " + to_string(read.stat.created) +
               " changed " + to_string(read.stat.changed) + " children " + std::to_string(read.stat.children);
    }

    // steps_[i] leads from states_[i] to states_[i + 1].
    void replay() {
        for (const History::Write& write : history_.writes) {
            if (write.id) steps_.push_back({*write.id, write.began, &write, nullptr, {}});
        }
        for (const History::End& end : history_.ends) steps_.push_back({end.id, 0, nullptr, &end, {}});
        std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.id < b.id; });
        states_.emplace_back();
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            Step& step = steps_[i];
            if (i > 0 && steps_[i - 1].id == step.id) violation("two writes have the id ", to_string(step.id));
            Model state = states_.back();
            if (step.end != nullptr) {
                state.end_session(step.end->session, step.id, step.triggers);
            } else if (const auto refused = state.apply(step.write->operations, step.write->session, step.id, step.triggers)) {
                violation("took effect as change ", to_string(step.id), " but should have been refused with ",
                          to_string(*refused), ": ", describe(*step.write));
                return;
            }
            index_[step.id] = i + 1;
            states_.push_back(std::move(state));
        }
    }

    void check_order_of_writes() {
        for (const History::Write& first : history_.writes) {
            if (!first.id) continue;
            for (const History::Write& second : history_.writes) {
                if (!second.id || &first == &second) continue;
                const bool before = first.ended < second.began ||
                                    (first.session == second.session && first.began < second.began);
                if (before && *first.id > *second.id) {
                    violation("took effect in the wrong order: ", describe(first), " as ", to_string(*first.id), " and then ",
                              describe(second), " as ", to_string(*second.id));
                }
            }
        }
    }

    // The states that something which began and ended then can have met.
    std::size_t first_state(std::uint64_t began) const {
        std::size_t first = 0;
        for (const Step& step : steps_) {
            if (step.write != nullptr && step.write->ended < began) first = std::max(first, index_.at(step.id));
        }
        return first;
    }
    std::size_t last_state(std::uint64_t ended) const {
        std::size_t last = 0;
        for (const Step& step : steps_) {
            if (step.began < ended) last = std::max(last, index_.at(step.id));
        }
        return last;
    }

    void check_refusals() {
        for (const History::Write& write : history_.writes) {
            if (!write.refused) continue;
            bool possible = false;
            const std::size_t last = last_state(write.ended);
            for (std::size_t i = first_state(write.began); i <= last && !possible; ++i) {
                Model state = states_[i];
                std::vector<Trigger> unused;
                possible = state.apply(write.operations, write.session, ChangeId{}, unused) == write.refused;
            }
            if (!possible) violation("refused with ", to_string(*write.refused), " without a reason: ", describe(write));
        }
    }

    struct Place {
        const History::Read* read;
        std::size_t lowest;   // the first state that fits
        std::size_t highest;  // and the last
    };

    void check_reads() {
        std::vector<const History::Read*> reads;
        for (const History::Read& read : history_.reads) reads.push_back(&read);
        std::sort(reads.begin(), reads.end(), [](const auto* a, const auto* b) { return a->ended < b->ended; });
        for (const History::Read* read : reads) {
            std::size_t first = read->latest ? first_state(read->began) : 0;
            for (const Step& step : steps_) {
                const bool own = step.write != nullptr && step.write->session == read->session;
                if (own && step.write->ended < read->began) first = std::max(first, index_.at(step.id));
            }
            for (const Place& other : places_) {
                if (other.read->ended > read->began) continue;
                if (read->latest || other.read->session == read->session) first = std::max(first, other.lowest);
            }
            const std::size_t last = last_state(read->ended);
            Place place{read, states_.size(), 0};
            for (std::size_t i = first; i <= last; ++i) {
                if (!states_[i].fits(*read)) continue;
                place.lowest = std::min(place.lowest, i);
                place.highest = i;
            }
            if (place.lowest == states_.size()) {
                violation("no state from ", std::to_string(first), " to ", std::to_string(last), " looks like this: ",
                          describe(*read));
                return;
            }
            places_.push_back(place);
        }
    }

    static bool concerns(const Trigger& trigger, const History::Read& read) {
        if (trigger.path != read.path) return false;
        const bool children = read.kind == History::ReadKind::kChildren;
        return trigger.kind == EventKind::kDeleted || (trigger.kind == EventKind::kChildrenChanged) == children;
    }
    // The state after the first step from `state` on that the watch of `read` tells of, and how.
    std::optional<std::pair<std::size_t, EventKind>> first_trigger(const History::Read& read, std::size_t state) const {
        for (std::size_t i = state; i < steps_.size(); ++i) {
            for (const Trigger& trigger : steps_[i].triggers) {
                if (concerns(trigger, read)) return std::pair{i + 1, trigger.kind};
            }
        }
        return std::nullopt;
    }

    void check_watches() {
        for (const Place& place : places_) {
            if (!place.read->watch) continue;
            check_watch(place, history_.watches[*place.read->watch]);
        }
    }

    void check_watch(const Place& place, const History::Watch& watch) {
        const History::Read& read = *place.read;
        const bool lost = watch.told == EventKind::kSessionLost;
        if (watch.times > 1) violation("told ", std::to_string(watch.times), " times: the watch of ", describe(read));
        if (watch.told && watch.told_at < read.ended) violation("told before it was set: the watch of ", describe(read));
        if (lost && history_.alive.contains(read.session)) violation("lost, but the session lives: the watch of ", describe(read));

        if (watch.told && !lost) check_reason(place, watch);

        const auto trigger = first_trigger(read, place.highest);
        if (!trigger) return;
        // A node that came and went while nobody was connected is not missed.
        const auto may_be_missed = [&](std::size_t state) {
            return !read.found && history_.suspended.contains(read.session) && !states_[state].nodes.contains(read.path);
        };
        if (!watch.told && history_.alive.contains(read.session) && !may_be_missed(states_.size() - 1)) {
            violation("never told of ", std::string{to_string(trigger->second)}, " by change ",
                      std::to_string(trigger->first), ": the watch of ", describe(read));
        }
        for (const Place& later : places_) {
            if (later.read->session != read.session || later.read->began < read.ended) continue;
            if (later.lowest < trigger->first || may_be_missed(later.lowest)) continue;
            if (watch.told_at > later.read->ended) {
                violation("not yet told of ", std::string{to_string(trigger->second)}, " when it was seen: the watch of ",
                          describe(read), " by ", describe(*later.read));
            }
        }
        for (const History::Write& write : history_.writes) {
            if (write.session != read.session || !write.id || write.began < read.ended) continue;
            const std::size_t state = index_.at(*write.id);
            if (state < trigger->first || may_be_missed(state)) continue;
            if (write.ended != History::kNever && watch.told_at > write.ended) {
                violation("not yet told of ", std::string{to_string(trigger->second)}, " when a later write ended: the watch of ",
                          describe(read), ", ", describe(write));
            }
        }
    }

    void check_reason(const Place& place, const History::Watch& watch) {
        const History::Read& read = *place.read;
        const std::size_t last = last_state(watch.told_at);
        bool any = false;
        for (std::size_t state = place.lowest; state <= place.highest; ++state) {
            const auto trigger = first_trigger(read, state);
            if (!trigger || trigger->first > last) continue;
            // What is told after a connection was lost is a difference.
            if (trigger->second == *watch.told || history_.suspended.contains(read.session)) any = true;
        }
        if (!any) violation("told of ", std::string{to_string(*watch.told)}, " without a reason: the watch of ", describe(read));
    }

    const History& history_;
    std::vector<Step> steps_;
    std::vector<Model> states_;
    std::map<ChangeId, std::size_t> index_;  // of the state after it
    std::vector<Place> places_;
    std::vector<std::string> violations_;
};

}  // namespace

std::string to_string(const Operation& operation) {
    const auto version = [](Version expected) { return expected == kAnyVersion ? "" : "@" + to_string(expected); };
    if (const auto* create = std::get_if<Create>(&operation)) {
        return "create " + create->path + "=" + create->value +
               (create->lifetime == Lifetime::kEphemeral ? " (ephemeral)" : "");
    }
    if (const auto* set = std::get_if<Set>(&operation)) return "set " + set->path + version(set->expected) + "=" + set->value;
    if (const auto* remove = std::get_if<Remove>(&operation)) return "remove " + remove->path + version(remove->expected);
    const auto& check = std::get<Check>(operation);
    return "check " + check.path + version(check.expected);
}

std::vector<std::string> check_history(const History& history) { return Checker{history}.run(); }

}  // namespace millrace::metadata
