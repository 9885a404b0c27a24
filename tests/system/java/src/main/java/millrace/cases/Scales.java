// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import java.util.List;
import java.util.Map;

/** A stream that is split and merged while it is written and read. */
final class Scales implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("scaled", 1);
        try (Group group = new Group(cluster, history, "scaled",
                // Successors of a segment that was read to its end are looked for at checkpoints only.
                ReaderGroupConfig.builder().stream(stream).groupRefreshTimeMillis(1000).automaticCheckpointIntervalMillis(1000).build())) {
            Thread reading = new Thread(() -> {
                try {
                    group.readUntil("scaled-", 2, events);
                } catch (Exception failed) {
                    throw new IllegalStateException(failed);
                }
            });
            reading.start();
            try (Writer writer = new Writer(cluster, history, stream, "writer")) {
                for (int i = 0; i < events; ++i) {
                    writer.write("key-" + i % 101, 100);
                    if (i == events / 4) cluster.scale(stream, List.of(0L), Map.of(0.0, 0.2, 0.2, 0.5, 0.5, 1.0));
                    if (i == events / 2) {
                        List<Long> all = cluster.segments(stream);
                        Check.equal(3, all.size(), "segments after the split");
                        cluster.scale(stream, all, Map.of(0.0, 1.0));
                    }
                    if (i == events / 4 * 3) {
                        cluster.scale(stream, cluster.segments(stream), Map.of(0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0));
                    }
                }
                writer.flush();
            }
            Check.equal(4, cluster.segments(stream).size(), "segments in the end");
            reading.join();
            Check.equal((long) events, group.read(), "events read");
            history.readToEnd("group", group.name, Cluster.nameOf(stream));
        }
        history.floor("acked", events);
    }
}
