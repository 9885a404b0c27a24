// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;

/**
 * Writers and readers while somebody else harms the server: a line "running" tells him that they run. Ends when its input does
 * and everything that was written until then is read.
 */
final class Survivors implements Case {
    private static final int WRITERS = 2;

    private volatile boolean stop = false;
    private volatile Throwable failed;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("survives", 3);
        Writer[] writers = new Writer[WRITERS];
        Thread[] threads = new Thread[WRITERS];
        for (int i = 0; i < WRITERS; ++i) {
            Writer writer = writers[i] = new Writer(cluster, history, stream, "writer-" + i);
            threads[i] = start(() -> {
                for (long n = 0; !stop; ++n) {
                    writer.write("key-" + n % 41, 200);
                    // So many a second that a run of minutes stays small.
                    if (n % 20 == 19) Thread.sleep(20);
                }
                writer.flush();
            });
        }
        try (Group group = new Group(cluster, history, "survives",
                ReaderGroupConfig.builder().stream(stream).groupRefreshTimeMillis(1000).build());
             Group.Reader reader = group.new Reader("reader")) {
            Thread reading = start(() -> {
                while (!stop) reader.next();
            });
            while (group.read() < 100 && failed == null) Thread.sleep(10);
            System.out.println("running");
            while (System.in.read() >= 0 && failed == null) continue;
            stop = true;
            for (Thread thread : threads) thread.join();
            reading.join();
            if (failed != null) throw new IllegalStateException(failed);
            long total = 0;
            for (Writer writer : writers) {
                total += writer.written();
                Check.equal(writer.written(), writer.acknowledged(), "acknowledged events");
                writer.close();
            }
            reader.readUntil(total);
            history.readToEnd("group", group.name, Cluster.nameOf(stream));
            history.floor("acked", total);
            System.out.println("events " + total);
        }
    }

    private Thread start(Check.Action action) {
        Thread thread = new Thread(() -> {
            try {
                action.run();
            } catch (Throwable thrown) {
                failed = thrown;
            }
        });
        thread.start();
        return thread;
    }
}
