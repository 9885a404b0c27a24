// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.TruncatedDataException;

/** A stream that loses its beginning under a reader. */
final class Truncations implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("truncated", 2);
        StreamCut cut;
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 11, 1000);
            writer.flush();
            cut = cluster.streams.fetchStreamInfo(cluster.scope, "truncated").join().getTailStreamCut();
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 11, 1000);
            writer.flush();
        }
        try (Group group = new Group(cluster, history, "behind", ReaderGroupConfig.builder().stream(stream).build());
             Group.Reader reader = group.new Reader("behind-1")) {
            reader.readUntil(1);
            Check.that(cluster.streams.truncateStream(cluster.scope, "truncated", cut), "the stream is truncated");
            cut.asImpl().getPositions().forEach(
                    (segment, offset) -> history.truncation(Cluster.nameOf(stream), segment.getSegmentId(), offset));
            Check.equal(cut, cluster.streams.fetchStreamInfo(cluster.scope, "truncated").join().getHeadStreamCut(), "the new head");
            // What it had fetched before may still come; then it is told of the gap, and goes on behind it.
            int told = 0;
            int quiet = 0;
            while (quiet < 3) {
                try {
                    quiet = reader.next().getEvent() == null ? quiet + 1 : 0;
                } catch (TruncatedDataException gap) {
                    ++told;
                }
            }
            Check.that(told >= 1, "the reader was told of the gap");
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
