// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import com.google.common.collect.ImmutableSet;
import io.pravega.client.admin.StreamInfo;
import io.pravega.client.stream.InvalidStreamException;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.RetentionPolicy;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Scopes and streams: made, listed, configured, sealed, deleted, and made again under the same name. */
final class Lives implements Case {
    /** Two pages of a listing, and a little of a third. */
    private static final int STREAMS = 2010;

    private static final int AT_ONCE = 50;

    private static Set<String> all(Iterator<?> names) {
        Set<String> found = new HashSet<>();
        names.forEachRemaining(name -> Check.that(
                found.add(name instanceof Stream stream ? stream.getStreamName() : name.toString()), "%s is listed once", name));
        return found;
    }

    /** A call for each of many streams, some of them at once. */
    private static void each(Set<String> names, String what, Function<String, CompletableFuture<Boolean>> call) {
        List<String> left = new ArrayList<>(names);
        while (!left.isEmpty()) {
            List<String> some = left.subList(0, Math.min(AT_ONCE, left.size()));
            List<CompletableFuture<Boolean>> calls = new ArrayList<>();
            for (String name : some) calls.add(call.apply(name));
            for (int i = 0; i < calls.size(); ++i) Check.that(calls.get(i).join(), "%s is %s", some.get(i), what);
            some.clear();
        }
    }

    private static void write(Cluster cluster, History history, Stream stream, String name, int events) {
        try (Writer writer = new Writer(cluster, history, stream, name)) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 7, 100);
            writer.flush();
        }
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
        Check.equal(Set.of("blue", "green"), Set.copyOf(cluster.streams.getStreamTags(scope, "one")), "tags");
        Check.equal(Set.of("one"), all(cluster.streams.listStreams(scope, "blue")), "streams with a tag");
        Check.equal(Set.of(), all(cluster.streams.listStreams(scope, "red")), "streams with another");
        StreamInfo info = cluster.streams.fetchStreamInfo(scope, "one").join();
        Check.equal(scope + "/one", info.getScope() + "/" + info.getStreamName(), "name");
        Check.equal(config, info.getStreamConfiguration(), "configuration in the info");
        Check.that(!info.isSealed(), "it is not sealed");
        Check.equal(info.getHeadStreamCut(), info.getTailStreamCut(), "where it begins and, still empty, ends");
        Check.equal(3, info.getHeadStreamCut().asImpl().getPositions().size(), "segments at its head");

        StreamConfiguration other = StreamConfiguration.builder()
                .scalingPolicy(ScalingPolicy.byDataRate(1000, 3, 2))
                .retentionPolicy(RetentionPolicy.bySizeBytes(1 << 30))
                .build();
        Check.that(cluster.streams.updateStream(scope, "one", other), "the stream gets another configuration");
        Check.equal(other, cluster.controller().getStreamConfiguration(scope, "one").join(), "new configuration");
        Check.equal(Set.of(), Set.copyOf(cluster.streams.getStreamTags(scope, "one")), "tags that are gone");
        Check.equal(Set.of(), all(cluster.streams.listStreams(scope, "blue")), "streams with a tag that is gone");
        Check.fails(Exception.class, "an update of no stream", () -> {
            if (!cluster.streams.updateStream(scope, "two", other)) throw new InvalidStreamException("refused");
        });

        Set<String> made = new HashSet<>();
        for (int i = 0; i < STREAMS; ++i) made.add("many-" + i);
        StreamConfiguration plain = StreamConfiguration.builder().scalingPolicy(ScalingPolicy.fixed(1)).build();
        each(made, "made", name -> cluster.controller().createStream(scope, name, plain));
        made.add("one");
        Check.equal(made, all(cluster.streams.listStreams(scope)), "streams");

        write(cluster, history, one, "first-life", events);
        info = cluster.streams.fetchStreamInfo(scope, "one").join();
        Check.that(!info.getHeadStreamCut().equals(info.getTailStreamCut()), "events lie between head and tail");
        Check.fails(IllegalStateException.class, "deleting a scope with streams", () -> cluster.streams.deleteScope(scope));
        Check.fails(Exception.class, "deleting a stream that is not sealed", () -> {
            if (!cluster.streams.deleteStream(scope, "one")) throw new InvalidStreamException("refused");
        });
        Check.that(cluster.streams.sealStream(scope, "one"), "the stream is sealed");
        Check.that(cluster.streams.sealStream(scope, "one"), "sealing again is fine");
        Check.equal(0, cluster.segments(one).size(), "segments that take events when sealed");
        Check.that(cluster.streams.fetchStreamInfo(scope, "one").join().isSealed(), "the info says so");
        Check.that(cluster.streams.deleteStream(scope, "one"), "the sealed stream is deleted");
        Check.that(!cluster.streams.deleteStream(scope, "one"), "once");
        Check.that(!cluster.streams.checkStreamExists(scope, "one"), "it is gone");
        for (long segment = 0; segment < 3; ++segment) history.truncation(Cluster.nameOf(one), segment);

        // Its segments have other ids, so that nobody takes them for the old ones.
        Check.that(cluster.streams.createStream(scope, "one", config), "made again under the same name");
        Check.that(cluster.segments(one).stream().allMatch(id -> (id & 0xffffffffL) >= 3), "numbers go on: %s", cluster.segments(one));
        write(cluster, history, one, "second-life", events);
        try (Group group = new Group(cluster, history, "second", ReaderGroupConfig.builder().stream(one).build());
             Group.Reader reader = group.new Reader("second-1")) {
            reader.readUntil(events);
            Check.equal(0L, group.unreadBytes(reader), "bytes of the first life");
            history.readToEnd("group", group.name, Cluster.nameOf(one));
        }
        cluster.groups.deleteReaderGroup("second");
        each(made, "sealed", name -> cluster.controller().sealStream(scope, name));
        each(made, "deleted", name -> cluster.controller().deleteStream(scope, name));
        Check.equal(Set.of(), all(cluster.streams.listStreams(scope)), "streams left");
        Check.that(cluster.streams.deleteScope(scope), "the empty scope is deleted");
        Check.that(!cluster.streams.checkScopeExists(scope), "the scope is gone");
    }
}
