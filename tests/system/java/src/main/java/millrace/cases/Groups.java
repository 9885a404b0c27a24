// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import java.util.Map;
import java.util.Set;

/** Groups of one, two and five readers; readers that join, leave and die while events come. */
final class Groups implements Case {
    private static final int SEGMENTS = 5;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("shared", SEGMENTS);
        String name = Cluster.nameOf(stream);
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 97, 100 + i % 500);
            writer.flush();
        }
        for (int readers : new int[] {1, 2, 5}) {
            try (Group group = new Group(cluster, history, "of-" + readers, ReaderGroupConfig.builder().stream(stream).build())) {
                group.readUntil("of-" + readers + "-", readers, events);
                history.readToEnd("group", group.name, name);
                Check.equal(0, group.group.getOnlineReaders().size(), "readers online after all are closed");
            }
        }

        // One reads a part, a second joins, the first leaves, a third comes and dies, and so does a fourth.
        try (Group group = new Group(cluster, history, "changing",
                // Segments change hands at checkpoints only.
                ReaderGroupConfig.builder().stream(stream).groupRefreshTimeMillis(1000).automaticCheckpointIntervalMillis(1000).build())) {
            Group.Reader first = group.new Reader("first");
            first.readUntil(events / 10);
            Check.equal(Map.of("first", SEGMENTS), segments(group), "segments of the one");
            Group.Reader second = group.new Reader("second");
            balance(group, first, second);
            first.close();
            Check.equal(Set.of("second"), group.group.getOnlineReaders(), "readers after one left");
            // It has them all again: nothing of the first's segments is left to nobody.
            while (!segments(group).equals(Map.of("second", SEGMENTS))) second.next();

            Group.Reader dies = group.new Reader("dies");
            balance(group, second, dies);
            // It is not closed; somebody who knows says where it was.
            history.readerCrash(dies.id);
            group.group.readerOffline(dies.id, dies.position);
            Check.equal(Set.of("second"), group.group.getOnlineReaders(), "readers after one died");

            Group.Reader vanishes = group.new Reader("vanishes");
            balance(group, second, vanishes);
            // Where it was nobody knows: what it read since its segments' last checkpoint comes again.
            history.readerCrash(vanishes.id);
            group.group.readerOffline(vanishes.id, null);
            while (group.unreadBytes(second) > 0) continue;
            Check.equal(Map.of("second", SEGMENTS), segments(group), "segments of the one that is left");
            second.close();
            history.readToEnd("group", group.name, name);
        }
        history.floor("acked", events);
    }

    /** Until the one that came has a fair share of the segments, and has read of it. */
    private static void balance(Group group, Group.Reader there, Group.Reader came) {
        while (came.own() == 0 || segments(group).getOrDefault(came.id, 0) < SEGMENTS / 2) {
            there.next();
            came.next();
        }
        Check.equal(Set.of(there.id, came.id), group.group.getOnlineReaders(), "readers online");
    }

    private static Map<String, Integer> segments(Group group) {
        return group.group.getReaderSegmentDistribution().getReaderSegmentDistribution();
    }
}
