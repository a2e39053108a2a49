package keyward.verifier;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** Introspection answers by the hash of the credential, limited in number and time. */
final class AnswerCache {
  private record Entry(Map<String, Object> answer, long expiresAt) {}

  private final int size;

  /** The first entry is the one that was used least recently. */
  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);

  AnswerCache(int size) {
    this.size = size;
  }

  /** Returns null if nothing is cached at this time of {@link System#nanoTime}. */
  synchronized Map<String, Object> get(String hash, long now) {
    var entry = entries.get(hash);
    if (entry == null) {
      return null;
    }
    if (now - entry.expiresAt >= 0) {
      entries.remove(hash);
      return null;
    }
    return entry.answer;
  }

  synchronized void put(String hash, Map<String, Object> answer, long now, Duration ttl) {
    if (ttl.isNegative() || ttl.isZero()) {
      return;
    }
    entries.put(hash, new Entry(answer, now + ttl.toNanos()));
    if (entries.size() > size) {
      entries.remove(entries.keySet().iterator().next());
    }
  }

  synchronized int size() {
    return entries.size();
  }
}
