// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.Checkpoint;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Checkpoints that the application and the group itself begin, going back to one, and cuts as bounds. */
final class Checkpoints implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("checked", 3);
        String name = Cluster.nameOf(stream);
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 31, 100);
            writer.flush();
        }

        Checkpoint middle;
        try (Group group = new Group(cluster, history, "asked",
                ReaderGroupConfig.builder().stream(stream).disableAutomaticCheckpoints().build());
             Group.Reader reader = group.new Reader("asked-1")) {
            reader.readUntil(events / 2);
            CompletableFuture<Checkpoint> wanted = group.group.initiateCheckpoint("middle", cluster.executor);
            boolean seen = false;
            while (!wanted.isDone() || !seen) {
                EventRead<ByteBuffer> next = reader.next();
                seen |= next.isCheckpoint() && next.getCheckpointName().equals("middle");
            }
            middle = wanted.join();
            reader.readUntil(events);
            history.readToEnd("group", group.name, name);
        }
        StreamCut half = middle.asImpl().getPositions().get(stream);

        // From the checkpoint on; together with what a group reads up to it, everything.
        long before;
        try (Group group = new Group(cluster, history, "before", ReaderGroupConfig.builder().stream(stream, StreamCut.UNBOUNDED, half).build());
             Group.Reader reader = group.new Reader("before-1")) {
            before = readAll(reader, group);
        }
        try (Group group = new Group(cluster, history, "after",
                ReaderGroupConfig.builder().stream(stream).startFromCheckpoint(middle).build());
             Group.Reader reader = group.new Reader("after-1")) {
            reader.readUntil(events - before);
            Check.equal(0L, group.unreadBytes(reader), "unread bytes");
        }

        // Back to a cut: what was read is read once more, by another life of the reader.
        try (Group group = new Group(cluster, history, "reset", ReaderGroupConfig.builder().stream(stream).build())) {
            try (Group.Reader reader = group.new Reader("reset-1")) {
                reader.readUntil(events);
            }
            Map<Stream, StreamCut> cuts = group.group.getStreamCuts();
            Check.equal(1, cuts.size(), "cuts of one stream");
        }
        try (Group group = new Group(cluster, history, "back", ReaderGroupConfig.builder().stream(stream, half).build())) {
            try (Group.Reader reader = group.new Reader("back-1")) {
                reader.readUntil((events - before) / 2);
            }
            group.group.resetReaderGroup(ReaderGroupConfig.builder().stream(stream, half).build());
        }

        // The group checkpoints itself, again and again.
        try (Group group = new Group(cluster, history, "automatic",
                ReaderGroupConfig.builder().stream(stream).automaticCheckpointIntervalMillis(1000).groupRefreshTimeMillis(1000).build());
             Group.Reader reader = group.new Reader("automatic-1")) {
            int checkpoints = 0;
            while (checkpoints < 2 || group.read() < events) {
                if (reader.next().isCheckpoint()) ++checkpoints;
            }
            history.readToEnd("group", group.name, name);
        }
        history.floor("checkpoints", 3);
    }

    /** Up to the group's end. */
    static long readAll(Group.Reader reader, Group group) {
        int quiet = 0;
        while (quiet < 3) {
            EventRead<ByteBuffer> next = reader.next();
            quiet = next.getEvent() != null || next.isCheckpoint() ? 0 : quiet + 1;
        }
        return group.read();
    }
}
