// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import com.google.common.collect.ImmutableList;
import io.pravega.client.BatchClientFactory;
import io.pravega.client.batch.SegmentIterator;
import io.pravega.client.batch.SegmentRange;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamCut;
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
        StreamCut cut;
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 17, 100);
            writer.flush();
            cut = cluster.streams.fetchStreamInfo(cluster.scope, "batch").join().getTailStreamCut();
            cluster.scale(stream, List.of(0L, 1L), Map.of(0.0, 0.3, 0.3, 0.6, 0.6, 1.0));
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 17, 100);
            writer.flush();
        }
        try (BatchClientFactory batch = BatchClientFactory.withScope(cluster.scope, cluster.config)) {
            Check.equal(2L * events, readAll(batch, history, stream, "all", StreamCut.UNBOUNDED, StreamCut.UNBOUNDED), "all events");
            history.readToEnd("reader", "all", name);
            Check.equal((long) events, readAll(batch, history, stream, "first-half", StreamCut.UNBOUNDED, cut), "up to the cut");
            Check.equal((long) events, readAll(batch, history, stream, "second-half", cut, StreamCut.UNBOUNDED), "from the cut on");
            Check.that(cluster.streams.truncateStream(cluster.scope, "batch", cut), "the stream is truncated");
            Check.equal((long) events, readAll(batch, history, stream, "what-is-left", StreamCut.UNBOUNDED, StreamCut.UNBOUNDED), "after it");
        }
    }

    private static long readAll(BatchClientFactory batch, History history, Stream stream, String reader, StreamCut from, StreamCut to) {
        history.reader(reader, null);
        long read = 0;
        // Older segments first: nothing else orders the events of a key.
        List<SegmentRange> ranges = ImmutableList.sortedCopyOf(
                (a, b) -> Long.compare(a.getSegmentId(), b.getSegmentId()), ImmutableList.copyOf(batch.getSegments(stream, from, to).getIterator()));
        for (SegmentRange range : ranges) {
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
