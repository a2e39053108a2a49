//! A proxy between a node and Postgres that can break connections, swallow all data, or delay
//! answers.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OPEN: u8 = 0;
const CUT: u8 = 1;
const SWALLOWING: u8 = 2;

pub struct Proxy {
    pub port: u16,
    state: Arc<AtomicU8>,
    late: Arc<AtomicU64>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(OPEN));
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let late = Arc::<AtomicU64>::default();
        let (now, all, delay) = (state.clone(), streams.clone(), late.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if now.load(Ordering::Relaxed) == CUT {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                all.lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pump(
                    near.try_clone().unwrap(),
                    far.try_clone().unwrap(),
                    now.clone(),
                    Arc::default(),
                );
                pump(far, near, now.clone(), delay.clone());
            }
        });
        Proxy {
            port,
            state,
            late,
            streams,
        }
    }

    /// Delays half of the answers by this time from now on.
    pub fn jitter(&self, late: Duration) {
        self.late
            .store(u64::try_from(late.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Closes all connections and refuses new ones.
    pub fn cut(&self) {
        self.state.store(CUT, Ordering::Relaxed);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps connections open and forwards nothing.
    pub fn swallow(&self) {
        self.state.store(SWALLOWING, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: Arc<AtomicU8>, late: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        let (random, mut count) = (RandomState::new(), 0_u64);
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while state.load(Ordering::Relaxed) == SWALLOWING {
                std::thread::sleep(Duration::from_millis(20));
            }
            count += 1;
            let late = late.load(Ordering::Relaxed);
            if late > 0 && random.hash_one(count) % 2 == 0 {
                std::thread::sleep(Duration::from_millis(late));
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
