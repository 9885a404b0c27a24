// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.Checkpoint;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.ReinitializationRequiredException;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;

/** Checkpoints that the application and the group itself begin, going back to one and to a cut, and cuts as bounds. */
final class Checkpoints implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("checked", 3);
        String name = Cluster.nameOf(stream);
        // A reader that has more to read is past it before it hears of a checkpoint; so there is no more.
        long atMiddle = events / 2;
        long atLate = events * 3L / 4;
        Checkpoint middle;
        Checkpoint late;
        try (Writer writer = new Writer(cluster, history, stream, "writer");
             Group group = new Group(cluster, history, "asked",
                ReaderGroupConfig.builder().stream(stream).disableAutomaticCheckpoints().build());
             Group.Reader reader = group.new Reader("asked-1")) {
            goOn(writer, reader, atMiddle);
            middle = reader.checkpoint("middle");
            goOn(writer, reader, atLate);
            late = reader.checkpoint("late");
            goOn(writer, reader, events);
            history.readToEnd("group", group.name, name);
        }
        StreamCut half = cutOf(middle, stream);
        StreamCut threeQuarters = cutOf(late, stream);

        // What lies before a cut, between two, and behind one: together everything, each within its bounds.
        Check.equal(atMiddle, bounded(cluster, history, "before", ReaderGroupConfig.builder().stream(stream, StreamCut.UNBOUNDED, half)),
                "events up to a cut");
        Check.equal(atLate - atMiddle, bounded(cluster, history, "between", ReaderGroupConfig.builder().stream(stream, half, threeQuarters)),
                "events between two");
        try (Group group = new Group(cluster, history, "behind", ReaderGroupConfig.builder().stream(stream, threeQuarters).build());
             Group.Reader reader = group.new Reader("behind-1")) {
            reader.readUntil(events - atLate);
            Check.equal(0L, group.unreadBytes(reader), "unread bytes");
        }
        try (Group group = new Group(cluster, history, "from-checkpoint",
                ReaderGroupConfig.builder().stream(stream).startFromCheckpoint(middle).build());
             Group.Reader reader = group.new Reader("from-checkpoint-1")) {
            reader.readUntil(events - atMiddle);
            Check.equal(0L, group.unreadBytes(reader), "unread bytes");
        }

        // Back to a checkpoint, and to a cut: what was read is read once more, by other lives of the reader.
        try (Group group = new Group(cluster, history, "again", ReaderGroupConfig.builder().stream(stream).build())) {
            try (Group.Reader reader = group.new Reader("again-1")) {
                reader.readUntil(events);
                reset(group, reader, ReaderGroupConfig.builder().stream(stream).startFromCheckpoint(middle).build());
            }
            try (Group.Reader reader = group.new Reader("again-2", "again-from-checkpoint")) {
                reader.readUntil(2L * events - atMiddle);
                Check.equal(0L, group.unreadBytes(reader), "unread bytes from the checkpoint on");
                reset(group, reader, ReaderGroupConfig.builder().stream(stream, threeQuarters).build());
            }
            try (Group.Reader reader = group.new Reader("again-3", "again-from-cut")) {
                reader.readUntil(2L * events - atMiddle + events - atLate);
                Check.equal(0L, group.unreadBytes(reader), "unread bytes from the cut on");
            }
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
        history.floor("checkpoints", 4);
    }

    private static void goOn(Writer writer, Group.Reader reader, long total) {
        while (writer.written() < total) writer.write("key-" + writer.written() % 31, 100);
        writer.flush();
        reader.readUntil(total);
    }

    private static StreamCut cutOf(Checkpoint checkpoint, Stream stream) {
        return checkpoint.asImpl().getPositions().get(stream);
    }

    /** How many events lie within the bounds. */
    private static long bounded(
            Cluster cluster, History history, String name, ReaderGroupConfig.ReaderGroupConfigBuilder bounds) throws Exception {
        try (Group group = new Group(cluster, history, name, bounds.build()); Group.Reader reader = group.new Reader(name + "-1")) {
            reader.readToBound();
            return group.read();
        }
    }

    /** Whoever reads is told, and has to begin anew. */
    private static void reset(Group group, Group.Reader reader, ReaderGroupConfig to) {
        group.group.resetReaderGroup(to);
        Check.fails(ReinitializationRequiredException.class, "reading on after a reset", () -> {
            while (true) reader.next();
        });
    }
}
