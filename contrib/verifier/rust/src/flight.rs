use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::lock;

type Running<K, V> = Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>;

/// Runs blocking calls so that concurrent callers with the same key share one call.
pub(crate) struct SingleFlight<K, V> {
    running: Running<K, V>,
}

/// The end of a call, even by a panic, removes it from those that are running.
struct Entry<K: Eq + Hash, V> {
    running: Running<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.key);
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        SingleFlight {
            running: Arc::default(),
        }
    }

    /// Starts a call on a thread that may block, if none with this key is running. The call ends
    /// even if nobody waits for it any more.
    pub(crate) fn start(
        &self,
        key: &K,
        call: impl FnOnce() -> V + Send + 'static,
    ) -> watch::Receiver<Option<V>> {
        let mut running = lock(&self.running);
        if let Some(result) = running.get(key) {
            return result.clone();
        }
        let (sender, result) = watch::channel(None);
        running.insert(key.clone(), result.clone());
        let entry = Entry {
            running: Arc::clone(&self.running),
            key: key.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let value = call();
            drop(entry);
            sender.send_replace(Some(value));
        });
        result
    }

    /// Waits for the result of a call that is running or is started now. `None` means that the
    /// call panicked.
    pub(crate) async fn run(
        &self,
        key: &K,
        call: impl FnOnce() -> V + Send + 'static,
    ) -> Option<V> {
        let mut result = self.start(key, call);
        let value = result.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn concurrent_callers_share_one_call_and_a_panic_ends_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (flight, calls) = (SingleFlight::new(), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Barrier::new(2));
        runtime.block_on(async {
            let call = || {
                let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
                move || {
                    gate.wait();
                    calls.fetch_add(1, Ordering::SeqCst)
                }
            };
            let mut results: Vec<_> = (0..20).map(|_| flight.start(&"token", call())).collect();
            // Until here, the call cannot end.
            gate.wait();
            for result in &mut results {
                assert_eq!(*result.wait_for(Option::is_some).await.unwrap(), Some(0));
            }
            assert_eq!(flight.run(&"token", || panic!("expected")).await, None);
            assert_eq!(flight.run(&"token", || 7).await, Some(7));
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
