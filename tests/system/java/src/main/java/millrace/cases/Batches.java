// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import com.google.common.collect.ImmutableList;
import io.pravega.client.BatchClientFactory;
import io.pravega.client.batch.SegmentIterator;
import io.pravega.client.batch.SegmentRange;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
import io.pravega.client.stream.TruncatedDataException;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;

/** Segments read one by one, of a stream that was scaled and truncated. */
final class Batches implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("batch", 2);
        String name = Cluster.nameOf(stream);
        StreamCut atScale;
        StreamCut inside;
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            atScale = write(cluster, writer, events);
            cluster.scale(stream, List.of(0L, 1L), Map.of(0.0, 0.3, 0.3, 0.6, 0.6, 1.0));
            inside = write(cluster, writer, events);
            write(cluster, writer, events);
        }
        try (BatchClientFactory batch = BatchClientFactory.withScope(cluster.scope, cluster.config)) {
            Check.equal(3L * events, readAll(batch, history, stream, "all", StreamCut.UNBOUNDED, StreamCut.UNBOUNDED), "all events");
            history.readToEnd("reader", "all", name);
            Check.equal((long) events, readAll(batch, history, stream, "first", StreamCut.UNBOUNDED, atScale), "up to the first cut");
            Check.equal((long) events, readAll(batch, history, stream, "second", atScale, inside), "between the cuts");
            Check.equal((long) events, readAll(batch, history, stream, "third", inside, StreamCut.UNBOUNDED), "from the second cut on");

            List<SegmentRange> before = ranges(batch, stream, StreamCut.UNBOUNDED, StreamCut.UNBOUNDED);
            // Two segments go, and of three the first half.
            for (long segment : new long[] {0, 1}) history.truncation(name, segment);
            inside.asImpl().getPositions().forEach((segment, offset) -> history.truncation(name, segment.getSegmentId(), offset));
            Check.that(cluster.streams.truncateStream(cluster.scope, "batch", inside), "the stream is truncated");
            Check.equal((long) events, readAll(batch, history, stream, "left", StreamCut.UNBOUNDED, StreamCut.UNBOUNDED), "after it");
            for (SegmentRange range : before) {
                Check.fails(TruncatedDataException.class, "reading what is truncated", () -> {
                    try (SegmentIterator<ByteBuffer> iterator = batch.readSegment(range, new ByteBufferSerializer())) {
                        iterator.next();
                    }
                });
            }
        }
    }

    /** Returns where the stream ends behind them. */
    private static StreamCut write(Cluster cluster, Writer writer, int events) {
        for (int i = 0; i < events; ++i) writer.write("key-" + i % 17, 100);
        writer.flush();
        return cluster.streams.fetchStreamInfo(cluster.scope, "batch").join().getTailStreamCut();
    }

    private static List<SegmentRange> ranges(BatchClientFactory batch, Stream stream, StreamCut from, StreamCut to) {
        // Older segments first: nothing else orders the events of a key.
        return ImmutableList.sortedCopyOf((a, b) -> Long.compare(a.getSegmentId(), b.getSegmentId()),
                ImmutableList.copyOf(batch.getSegments(stream, from, to).getIterator()));
    }

    private static long readAll(BatchClientFactory batch, History history, Stream stream, String reader, StreamCut from, StreamCut to) {
        history.reader(reader, null);
        long read = 0;
        for (SegmentRange range : ranges(batch, stream, from, to)) {
            try (SegmentIterator<ByteBuffer> iterator = batch.readSegment(range, new ByteBufferSerializer())) {
                while (iterator.hasNext()) {
                    long offset = iterator.getOffset();
                    history.read(reader, Cluster.nameOf(stream), range.getSegmentId(), offset, Event.parse(iterator.next()));
                    ++read;
                }
            }
        }
        return read;
    }
}
