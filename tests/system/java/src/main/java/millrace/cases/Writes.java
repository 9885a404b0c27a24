// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/** Writers with and without keys, events of all sizes, and two writers that share a key in turn. */
final class Writes implements Case {
    private static final int KEYS = 50;
    private static final int LARGE = 1 << 20;
    private static final int LARGE_EVENTS = 200;
    private static final int SIZE_MAX = 64 << 10;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("all", 4);
        Stream small = cluster.create("small", 1);
        Random random = new Random(1);
        long total = 0;
        long bares;
        List<String> turns = new ArrayList<>();
        try (Writer keyed = new Writer(cluster, history, stream, "keyed");
             Writer unkeyed = new Writer(cluster, history, stream, "unkeyed");
             Writer other = new Writer(cluster, history, stream, "other");
             Writer bare = new Writer(cluster, history, small, "bare")) {
            for (int i = 0; i < events; ++i) {
                // As many of each power of two.
                int size = (int) Math.exp(random.nextDouble() * Math.log(SIZE_MAX + 1));
                if (size < Event.SELF_EVIDENT) bare.writeBare(size);
                else if (i % 4 == 3) unkeyed.writeUnkeyed(size);
                else keyed.write("key-" + random.nextInt(KEYS), size);
                if (i % Math.max(1, events / LARGE_EVENTS) == 0) keyed.write("key-" + random.nextInt(KEYS), LARGE);
                if (i % 1000 == 0) {
                    // In turn: what the first has flushed comes before what the second writes.
                    for (Writer writer : new Writer[] {keyed, other}) {
                        writer.write("shared", 20);
                        writer.flush();
                        turns.add(writer.name);
                    }
                }
            }
            for (Writer writer : new Writer[] {keyed, unkeyed, other}) {
                writer.flush();
                total += writer.acknowledged();
            }
            bare.flush();
            bares = bare.acknowledged();
        }
        try (Group group = new Group(cluster, history, "all", ReaderGroupConfig.builder().stream(stream).build());
             Group.Reader reader = group.new Reader("reader")) {
            List<String> came = new ArrayList<>();
            while (group.read() < total) {
                if (reader.next().getEvent() != null && reader.event.key().equals("shared")) came.add(reader.event.writer());
            }
            Check.equal(turns, came, "writers of the shared key, in turn");
            history.readToEnd("group", group.name, Cluster.nameOf(stream));
        }
        AtomicLong seq = new AtomicLong();
        try (Group group = new Group(cluster, history, "small", ReaderGroupConfig.builder().stream(small).build(),
                bytes -> new Event("bare", "bare", seq.incrementAndGet(), Event.bytesOf(bytes)));
             Group.Reader reader = group.new Reader("reader-of-small")) {
            reader.readUntil(bares);
            history.readToEnd("group", group.name, Cluster.nameOf(small));
        }
        history.floor("acked", total + bares);
    }
}
