// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What happened, for the checker: docs/formats/history.md. Any thread. */
final class History implements AutoCloseable {
    private final PrintWriter out;
    private long records = 0;

    History(Path path) throws IOException {
        out = new PrintWriter(Files.newBufferedWriter(path, StandardCharsets.US_ASCII));
        out.println("millrace-history 1");
    }

    void write(String stream, Event event, String outcome) {
        record("write stream=" + stream + fields(event) + " outcome=" + outcome);
    }

    /** One life of a reader; of a group unless that is null. */
    void reader(String reader, String group) {
        record("reader reader=" + reader + (group == null ? "" : " group=" + group));
    }

    void read(String reader, String stream, long segment, long offset, Event event) {
        record("read reader=" + reader + " stream=" + stream + " segment=" + segment + " offset=" + offset + fields(event));
    }

    void readToEnd(String who, String name, String stream) {
        record("read_to_end " + who + "=" + name + " stream=" + stream);
    }

    void readerCrash(String reader) {
        record("reader_crash reader=" + reader);
    }

    void checkpoint(String reader, String checkpoint) {
        record("checkpoint reader=" + reader + " checkpoint=" + checkpoint);
    }

    void truncation(String stream, long segment, long offset) {
        record("truncation stream=" + stream + " segment=" + segment + " offset=" + offset);
    }

    void truncation(String stream, long segment) {
        record("truncation stream=" + stream + " segment=" + segment);
    }

    void floor(String name, long value) {
        record("floor name=" + name + " value=" + value);
    }

    private static String fields(Event event) {
        return " writer=" + event.writer() + " key=" + event.key() + " seq=" + event.seq() + " len=" + event.bytes().length
                + " hash=" + Long.toUnsignedString(event.hash());
    }

    private synchronized void record(String line) {
        out.println(line);
        ++records;
    }

    /** What is recorded so far outlives the process. */
    synchronized void flush() {
        out.flush();
    }

    @Override
    public synchronized void close() {
        out.println("end " + records);
        out.close();
        if (out.checkError()) throw new IllegalStateException("the history could not be written");
    }
}
