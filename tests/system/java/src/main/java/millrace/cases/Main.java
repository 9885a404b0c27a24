// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Main CONTROLLER_URI HISTORY_FILE CASE EVENTS: runs one case and ends with 0 when nothing was wrong. */
public final class Main {
    private static final Map<String, Case> CASES = new TreeMap<>(Map.ofEntries(
            Map.entry("lives", new Lives()),
            Map.entry("writes", new Writes()),
            Map.entry("groups", new Groups()),
            Map.entry("checkpoints", new Checkpoints()),
            Map.entry("ends", new Ends()),
            Map.entry("scales", new Scales()),
            Map.entry("truncations", new Truncations()),
            Map.entry("revisions", new Revisions()),
            Map.entry("byte_streams", new ByteStreams()),
            Map.entry("batches", new Batches()),
            Map.entry("survivors", new Survivors()),
            Map.entry("inherits", new Heirs.Inherits()),
            Map.entry("dies", new Heirs.Dies()),
            Map.entry("writes_for_others", new Others.Writes()),
            Map.entry("reads_of_others", new Others.Reads())));

    private Main() {}

    public static void main(String[] arguments) {
        if (arguments.length != 4 || !CASES.containsKey(arguments[2])) {
            System.err.println("Main CONTROLLER_URI HISTORY_FILE CASE EVENTS; cases: " + CASES.keySet());
            System.exit(2);
        }
        int code = 0;
        try (History history = new History(Path.of(arguments[1]));
             Cluster cluster = new Cluster(URI.create(arguments[0]), "java-" + arguments[2].replace('_', '-'))) {
            CASES.get(arguments[2]).run(cluster, history, Integer.parseInt(arguments[3]));
        } catch (Throwable thrown) {
            thrown.printStackTrace();
            code = 1;
        }
        System.exit(code);  // threads of a client that failed would go on
    }
}
