// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import java.util.Random;

/** Writers with and without keys, events of all sizes, and two writers that share a key in turn. */
final class Writes implements Case {
    private static final int KEYS = 50;
    private static final int LARGE = 1024 * 1024;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("all", 4);
        Random random = new Random(1);
        long total = 0;
        try (Writer keyed = new Writer(cluster, history, stream, "keyed");
             Writer unkeyed = new Writer(cluster, history, stream, "unkeyed");
             Writer other = new Writer(cluster, history, stream, "other")) {
            for (int i = 0; i < events; ++i) {
                // 1 B to 64 KiB, as many of each power of two.
                int size = (int) Math.exp(random.nextDouble() * Math.log(64 * 1024));
                if (i % 4 == 3) unkeyed.writeUnkeyed(size);
                else keyed.write("key-" + random.nextInt(KEYS), size);
                if (i % Math.max(1, events / 200) == 0) keyed.write("key-" + random.nextInt(KEYS), LARGE - 200);
                if (i % 1000 == 0) {
                    // In turn: what the first has flushed comes before what the second writes.
                    keyed.write("shared", 20);
                    keyed.flush();
                    other.write("shared", 20);
                    other.flush();
                }
            }
            for (Writer writer : new Writer[] {keyed, unkeyed, other}) {
                writer.flush();
                total += writer.acknowledged();
            }
        }
        try (Group group = new Group(cluster, history, "all", ReaderGroupConfig.builder().stream(stream).build())) {
            group.readUntil("reader-", 1, total);
            history.readToEnd("group", group.name, Cluster.nameOf(stream));
        }
        history.floor("acked", total);
    }
}
