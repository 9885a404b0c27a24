// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.TruncatedDataException;
import java.util.Set;
import java.util.TreeSet;

/** A stream that loses its beginning under a reader. */
final class Truncations implements Case {
    private static final int KEYS = 11;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("truncated", 2);
        StreamCut cut;
        long[] atCut = new long[KEYS];
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) {
                writer.write("key-" + i % KEYS, 1000);
                ++atCut[i % KEYS];
            }
            writer.flush();
            cut = cluster.streams.fetchStreamInfo(cluster.scope, "truncated").join().getTailStreamCut();
            for (int i = 0; i < events; ++i) writer.write("key-" + i % KEYS, 1000);
            writer.flush();
        }
        try (Group group = new Group(cluster, history, "behind", ReaderGroupConfig.builder().stream(stream).build());
             Group.Reader reader = group.new Reader("behind-1")) {
            reader.readUntil(1);
            Check.that(cluster.streams.truncateStream(cluster.scope, "truncated", cut), "the stream is truncated");
            cut.asImpl().getPositions().forEach(
                    (segment, offset) -> history.truncation(Cluster.nameOf(stream), segment.getSegmentId(), offset));
            Check.equal(cut, cluster.streams.fetchStreamInfo(cluster.scope, "truncated").join().getHeadStreamCut(), "the new head");
            // What it had fetched before may still come; then it is told of the gap in each segment, and goes on behind it.
            Set<String> behind = new TreeSet<>();
            int told = 0;
            while (behind.size() < events) {
                try {
                    if (reader.next().getEvent() == null) continue;
                    Event event = reader.event;
                    if (event.seq() > atCut[Integer.parseInt(event.key().substring("key-".length()))]) behind.add(event.key() + " " + event.seq());
                } catch (TruncatedDataException gap) {
                    ++told;
                }
            }
            Check.equal(2, told, "gaps that the reader was told of, one in each segment");
            Check.equal(0L, group.unreadBytes(reader), "unread bytes");
        }
        try (Group group = new Group(cluster, history, "later", ReaderGroupConfig.builder().stream(stream).build());
             Group.Reader reader = group.new Reader("later-1")) {
            reader.readUntil(events);
            history.readToEnd("group", group.name, Cluster.nameOf(stream));
        }
        Check.fails(IllegalArgumentException.class, "a truncation of no stream",
                () -> cluster.streams.truncateStream(cluster.scope, "nowhere", cut));
    }
}
