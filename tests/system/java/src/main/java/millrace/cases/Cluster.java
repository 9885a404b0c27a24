// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.admin.ReaderGroupManager;
import io.pravega.client.admin.StreamManager;
import io.pravega.client.control.impl.Controller;
import io.pravega.client.control.impl.ControllerImpl;
import io.pravega.client.control.impl.ControllerImplConfig;
import io.pravega.client.stream.ScalingPolicy;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.StreamConfiguration;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.stream.Collectors;

/** The server under test, seen through the client; and a scope of one case's own in it. */
final class Cluster implements AutoCloseable {
    final String scope;
    final ClientConfig config;
    final StreamManager streams;
    final ReaderGroupManager groups;
    final EventStreamClientFactory factory;
    final ScheduledExecutorService executor = Executors.newScheduledThreadPool(4);
    private Controller controller;

    Cluster(URI uri, String scope) {
        this.scope = scope;
        config = ClientConfig.builder().controllerURI(uri).build();
        streams = StreamManager.create(config);
        Check.that(streams.createScope(scope), "scope %s is new", scope);
        groups = ReaderGroupManager.withScope(scope, config);
        factory = EventStreamClientFactory.withScope(scope, config);
    }

    Stream create(String name, int segments) {
        boolean created = streams.createStream(
                scope, name, StreamConfiguration.builder().scalingPolicy(ScalingPolicy.fixed(segments)).build());
        Check.that(created, "stream %s is new", name);
        return Stream.of(scope, name);
    }

    /** The name that a history has. */
    static String nameOf(Stream stream) {
        return stream.getScopedName();
    }

    synchronized Controller controller() {
        if (controller == null) {
            controller = new ControllerImpl(ControllerImplConfig.builder().clientConfig(config).build(), executor);
        }
        return controller;
    }

    /** The ids of the segments that take events now. */
    List<Long> segments(Stream stream) {
        return controller().getCurrentSegments(stream.getScope(), stream.getStreamName()).join().getSegments().stream()
                .map(segment -> segment.getSegmentId()).sorted().collect(Collectors.toList());
    }

    void scale(Stream stream, List<Long> sealed, Map<Double, Double> ranges) {
        Check.that(controller().scaleStream(stream, sealed, ranges, executor).getFuture().join(), "%s was scaled", stream);
    }

    @Override
    public void close() {
        factory.close();
        groups.close();
        streams.close();
        if (controller != null) controller.close();
        executor.shutdownNow();
    }
}
