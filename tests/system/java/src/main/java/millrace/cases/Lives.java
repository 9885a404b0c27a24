// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import com.google.common.collect.ImmutableSet;
import io.pravega.client.stream.InvalidStreamException;
import io.pravega.client.stream.RetentionPolicy;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import java.time.Duration;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Set;

/** Scopes and streams: made, listed, configured, sealed, deleted, and made again under the same name. */
final class Lives implements Case {
    /** More than one page of a listing. */
    private static final int STREAMS = 250;

    private static Set<String> all(Iterator<?> names) {
        Set<String> found = new HashSet<>();
        names.forEachRemaining(name -> Check.that(
                found.add(name instanceof Stream stream ? stream.getStreamName() : name.toString()), "%s is listed once", name));
        return found;
    }

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        String scope = cluster.scope;
        Check.that(!cluster.streams.createScope(scope), "a scope is made once");
        Check.that(cluster.streams.checkScopeExists(scope), "the scope is there");
        Check.that(!cluster.streams.checkScopeExists("nowhere"), "another is not");
        Check.that(all(cluster.streams.listScopes()).contains(scope), "the scope is listed");

        StreamConfiguration config = StreamConfiguration.builder()
                .scalingPolicy(ScalingPolicy.byEventRate(100, 2, 3))
                .retentionPolicy(RetentionPolicy.byTime(Duration.ofHours(5)))
                .tags(ImmutableSet.of("blue", "green"))
                .build();
        Check.that(cluster.streams.createStream(scope, "one", config), "a stream is made");
        Check.that(!cluster.streams.createStream(scope, "one", config), "once");
        Check.that(cluster.streams.checkStreamExists(scope, "one"), "the stream is there");
        Check.that(!cluster.streams.checkStreamExists(scope, "two"), "another is not");
        Check.equal(config, cluster.controller().getStreamConfiguration(scope, "one").join(), "configuration");
        Stream one = Stream.of(scope, "one");
        Check.equal(3, cluster.segments(one).size(), "segments");

        StreamConfiguration other = StreamConfiguration.builder()
                .scalingPolicy(ScalingPolicy.byDataRate(1000, 3, 2))
                .retentionPolicy(RetentionPolicy.bySizeBytes(1 << 30))
                .build();
        Check.that(cluster.streams.updateStream(scope, "one", other), "the stream gets another configuration");
        Check.equal(other, cluster.controller().getStreamConfiguration(scope, "one").join(), "new configuration");
        Check.fails(Exception.class, "an update of no stream", () -> {
            if (!cluster.streams.updateStream(scope, "two", other)) throw new InvalidStreamException("refused");
        });

        Set<String> made = new HashSet<>(Set.of("one"));
        for (int i = 0; i < STREAMS; ++i) {
            cluster.create("many-" + i, 1);
            made.add("many-" + i);
        }
        Check.equal(made, all(cluster.streams.listStreams(scope)), "streams");

        try (Writer writer = new Writer(cluster, history, one, "first-life")) {
            writer.write("key", 100);
            writer.flush();
        }
        Check.fails(IllegalStateException.class, "deleting a scope with streams", () -> cluster.streams.deleteScope(scope));
        Check.fails(Exception.class, "deleting a stream that is not sealed", () -> {
            if (!cluster.streams.deleteStream(scope, "one")) throw new InvalidStreamException("refused");
        });
        Check.that(cluster.streams.sealStream(scope, "one"), "the stream is sealed");
        Check.that(cluster.streams.sealStream(scope, "one"), "sealing again is fine");
        Check.equal(0, cluster.segments(one).size(), "segments that take events when sealed");
        Check.that(cluster.streams.deleteStream(scope, "one"), "the sealed stream is deleted");
        Check.that(!cluster.streams.deleteStream(scope, "one"), "once");
        Check.that(!cluster.streams.checkStreamExists(scope, "one"), "it is gone");

        // Its segments have other ids, so that nobody takes them for the old ones.
        Check.that(cluster.streams.createStream(scope, "one", config), "made again under the same name");
        Check.that(cluster.segments(one).stream().allMatch(id -> (id & 0xffffffffL) >= 3), "numbers go on: %s", cluster.segments(one));
        try (Writer writer = new Writer(cluster, history, one, "second-life")) {
            writer.write("key", 100);
            writer.flush();
        }
        for (String name : made) {
            cluster.streams.sealStream(scope, name);
            Check.that(cluster.streams.deleteStream(scope, name), "%s is deleted", name);
        }
        Check.equal(Set.of(), all(cluster.streams.listStreams(scope)), "streams left");
        Check.that(cluster.streams.deleteScope(scope), "the empty scope is deleted");
        Check.that(!cluster.streams.checkScopeExists(scope), "the scope is gone");
    }
}
