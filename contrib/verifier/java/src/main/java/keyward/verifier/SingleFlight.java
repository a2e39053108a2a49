package keyward.verifier;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** Lets concurrent callers with the same key share one call. */
final class SingleFlight<K, V> {
  private final ConcurrentHashMap<K, CompletableFuture<V>> running = new ConcurrentHashMap<>();

  /** Runs the call on this thread, or waits for the one that is running. */
  V run(K key, Supplier<V> call) {
    var own = new CompletableFuture<V>();
    var other = running.putIfAbsent(key, own);
    if (other == null) {
      complete(key, own, call);
    }
    try {
      return (other == null ? own : other).join();
    } catch (CompletionException error) {
      if (error.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw error;
    }
  }

  /** Runs the call on another thread, unless it is running. */
  void start(K key, Supplier<V> call) {
    var own = new CompletableFuture<V>();
    if (running.putIfAbsent(key, own) == null) {
      CompletableFuture.runAsync(() -> complete(key, own, call));
    }
  }

  private void complete(K key, CompletableFuture<V> own, Supplier<V> call) {
    try {
      V result = call.get();
      running.remove(key);
      own.complete(result);
    } catch (Throwable error) {
      running.remove(key);
      own.completeExceptionally(error);
    }
  }
}
