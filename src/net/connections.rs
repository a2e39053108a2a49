//! What one peer may take of the server: how many connections, for how long, and how much memory.
//!
//! Every connection has a row in a table. Once a second the table is looked through, and what is idle for
//! too long, never sends a request, or does not read its answers is closed. When the table is nearly full
//! the connections that are idle longest are closed before newcomers have to wait, and where there are too few
//! of these, those that wait for the rest of a body; those of addresses with many connections before others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a new connection may take to its first request, TLS included.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may be kept without a request. The next request must be there whole by then.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long an answer may wait for a peer that does not take it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may be busy without a request that begins or ends.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a peer may go on sending after an answer that ends the connection.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes of that are read and thrown away.
const LINGER_BYTES: usize = 1024 * 1024;

/// How long an idle connection is kept while the server stops: its last answer may be on the way.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(100);

/// After how long a connection whose peer does not read may be closed to make room.
const BLOCKED_EVICTABLE: Duration = Duration::from_secs(5);

/// For how long a connection is closed last, to make room: its request, or the rest of it, may be on the way.
const FRESH: Duration = Duration::from_secs(1);

/// The interval between sweeps of the table while the server stops.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// How many bytes are read in one go before what was read is dealt with and others have their turn. With
/// HTTP/1.1 all requests in it are taken apart at once, and each takes many times its size in memory.
const READ_BURST: usize = 4 * 1024;
const READ_BURST_HTTP2: usize = 16 * 1024;

thread_local! {
    /// Where what is read by HTTP/1.1 arrives.
    static PART: RefCell<[u8; READ_BURST]> = const { RefCell::new([0; READ_BURST]) };
}

/// How many bytes may be read that no request has asked for. With HTTP/1.1 these are further requests, which
/// wait for the answers to those before; with HTTP/2 they are frames, which are dealt with at once.
const UNCLAIMED_BYTES: usize = 8 * 1024;
const UNCLAIMED_BYTES_HTTP2: usize = 256 * 1024;

/// What the framing of a part of a body takes at the most, beside the part.
const FRAMING_BYTES: usize = 64;

/// How often at the most the log says that the table is nearly full.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Says whether an address is a proxy of the operator's own, for which the limit by address does not hold.
pub type IsProxy = dyn Fn(IpAddr) -> bool + Send + Sync;

/// All open connections.
pub struct Connections {
    /// Instants are kept as milliseconds since this one.
    epoch: Instant,
    limit: usize,
    is_proxy: Box<IsProxy>,
    stopping: AtomicBool,
    evicted: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    rows: HashMap<u64, Arc<Activity>>,
    by_address: HashMap<IpAddr, usize>,
    warned_at: Option<Instant>,
}

impl Table {
    fn remove(&mut self, id: u64) -> bool {
        let Some(row) = self.rows.remove(&id) else {
            return false;
        };
        if let Some(count) = self.by_address.get_mut(&row.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&row.address);
            }
        }
        true
    }
}

impl Connections {
    /// An empty table for so many connections.
    pub fn new(limit: usize, is_proxy: Box<IsProxy>) -> Arc<Self> {
        Arc::new(Connections {
            epoch: Instant::now(),
            limit,
            is_proxy,
            stopping: AtomicBool::new(false),
            evicted: AtomicU64::new(0),
            table: Mutex::default(),
        })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.lock().rows.len()
    }

    /// How many were closed to make room for others, since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The most that may be accepted, with those that are about to be closed.
    pub fn accept_limit(&self) -> usize {
        self.limit + self.limit / 8
    }

    /// How many connections one address may have: an eighth of the table, or of a small one up to a half.
    fn limit_by_address(&self) -> usize {
        (self.limit / 8).max(256.min(self.limit / 2)).max(1)
    }

    /// Takes a new connection into the table. `None` where its address has too many, all of them at work.
    pub fn admit(self: &Arc<Self>, stream: TcpStream) -> Option<Connection> {
        let peer = stream.peer_addr().ok()?.ip().to_canonical();
        let address = network(peer);
        let proxy = (self.is_proxy)(peer);
        let mut table = self.lock();
        let of_address = table.by_address.get(&address).copied().unwrap_or(0);
        let open = table.rows.len();
        if open >= self.limit {
            // Some more than needed, so that a flood does not look through the table for each of its connections.
            let excess = open - self.limit + 1 + self.limit / 64;
            self.evict(&mut table, excess, None);
            self.warn(
                &mut table,
                "the table of connections is nearly full: idle and slow ones are closed",
                None,
            );
        } else if !proxy && of_address >= self.limit_by_address() {
            let evicted = self.evict(&mut table, 1 + self.limit_by_address() / 64, Some(address));
            if evicted == 0 {
                self.warn(
                    &mut table,
                    "an address has too many connections, all of them busy: new ones are refused",
                    Some(address),
                );
                return None;
            }
            self.warn(
                &mut table,
                "an address has too many connections: its idle and slow ones are closed",
                Some(address),
            );
        }
        let id = table.next_id;
        table.next_id += 1;
        let activity = Arc::new(Activity {
            connections: self.clone(),
            id,
            address,
            http2: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            receiving: AtomicU32::new(0),
            served: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
            changed_at: AtomicU64::new(self.millis(Instant::now())),
            blocked_at: AtomicU64::new(NOT_BLOCKED),
            settled: AtomicBool::new(true),
            claimed: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waker: Mutex::default(),
        });
        table.rows.insert(id, activity.clone());
        *table.by_address.entry(address).or_default() += 1;
        Some(Connection {
            stream,
            activity,
            burst: 0,
            unclaimed: 0,
            lingered: 0,
            blocked: false,
        })
    }

    /// Closes up to `count` connections that the server does no work for; gives how many. Of addresses with many
    /// connections first, there those that are idle longest, then those that wait for a body. What has just begun
    /// goes last, there too of addresses with the most connections first: a flood must not take the place of those
    /// who have a request on the way.
    fn evict(&self, table: &mut Table, count: usize, address: Option<IpAddr>) -> usize {
        let now = self.millis(Instant::now());
        let many = self.limit_by_address() / 2;
        let place = |row: &Arc<Activity>| {
            let waiting = row.evictable(now)?;
            let changed_at = row.changed_at.load(Ordering::Relaxed);
            let of_address = table.by_address.get(&row.address).copied().unwrap_or(0);
            let fresh = !longer_than(FRESH, changed_at, now);
            let fewest = usize::MAX - of_address;
            let (first, then) = match (fresh, waiting) {
                (true, _) => (fewest, 0),
                (false, Waiting::Idle) => (0, 0),
                (false, Waiting::ForBody) => (0, fewest),
            };
            Some((
                fresh,
                of_address <= many,
                first,
                waiting,
                then,
                changed_at,
                row.id,
            ))
        };
        let of_address =
            |row: &&Arc<Activity>| address.is_none_or(|address| row.address == address);
        let mut places: Vec<_> = table
            .rows
            .values()
            .filter(of_address)
            .filter_map(place)
            .collect();
        places.sort_unstable();
        places.truncate(count);
        for (.., id) in &places {
            self.close(table, *id);
        }
        self.evicted.fetch_add(
            u64::try_from(places.len()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        places.len()
    }

    fn close(&self, table: &mut Table, id: u64) {
        if let Some(row) = table.rows.get(&id).cloned() {
            table.remove(id);
            row.close();
        }
    }

    fn warn(&self, table: &mut Table, what: &str, address: Option<IpAddr>) {
        let now = Instant::now();
        if table
            .warned_at
            .is_none_or(|warned| now - warned >= WARNING_INTERVAL)
        {
            table.warned_at = Some(now);
            let address = address.map(tracing::field::display);
            tracing::warn!(
                open = table.rows.len(),
                limit = self.limit,
                evicted = self.evicted(),
                address,
                "{what}"
            );
        }
    }

    /// Closes every connection that has exceeded a time limit. To be called once a second.
    pub fn sweep(&self) {
        let now = self.millis(Instant::now());
        let stopping = self.stopping.load(Ordering::Relaxed);
        let mut table = self.lock();
        let late: Vec<u64> = table
            .rows
            .values()
            .filter(|row| row.is_late(now, stopping))
            .map(|row| row.id)
            .collect();
        for id in late {
            self.close(&mut table, id);
        }
    }

    /// Closes each connection as soon as it is idle. Runs until it is dropped.
    pub async fn drain(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let mut ticks = tokio::time::interval(DRAIN_INTERVAL);
        loop {
            ticks.tick().await;
            self.sweep();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    fn millis(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// What counts as one address: of IPv6 the /64, which is one customer's.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

const NOT_BLOCKED: u64 = u64::MAX;

/// For what the server waits, of a connection that it does no work for. In the order in which they are closed to
/// make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    /// For a request, or for the peer to take its answer.
    Idle,
    /// For the rest of the body of each request.
    ForBody,
}

/// A request that waits for its body.
pub struct ReceivingBody(Arc<Activity>);

impl Drop for ReceivingBody {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether from `since` to `now`, in milliseconds, more than `limit` has gone by.
fn longer_than(limit: Duration, since: u64, now: u64) -> bool {
    u128::from(now.saturating_sub(since)) > limit.as_millis()
}

/// What a connection is doing. Shared by the connection, the table, and the requests on it.
pub struct Activity {
    connections: Arc<Connections>,
    id: u64,
    address: IpAddr,
    http2: AtomicBool,
    /// Requests whose answer is not yet handed over whole.
    requests: AtomicU32,
    /// Of these, how many wait for more of their body.
    receiving: AtomicU32,
    /// At least one request has come.
    served: AtomicBool,
    /// The last answer ends the connection.
    lingering: AtomicBool,
    /// When it was accepted, or when a request last began or ended.
    changed_at: AtomicU64,
    /// Since when the peer has not taken what is to be written.
    blocked_at: AtomicU64,
    /// All that was read before was dealt with, and no request has begun since.
    settled: AtomicBool,
    /// How many bytes requests have taken since it was last read from.
    claimed: AtomicUsize,
    /// Reading waits until requests have taken what was read.
    paused: AtomicBool,
    closing: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Activity {
    /// The connection speaks HTTP/2.
    pub fn set_http2(&self) {
        self.http2.store(true, Ordering::Relaxed);
    }

    /// A request begins; gives how many there are now.
    pub fn begin_request(&self, now: Instant) -> u32 {
        self.served.store(true, Ordering::Relaxed);
        self.changed_at
            .store(self.connections.millis(now), Ordering::Relaxed);
        // With HTTP/1.1 whatever follows the first request waits in a queue. HTTP/2 has none.
        if self.settled.swap(false, Ordering::Relaxed) || self.http2.load(Ordering::Relaxed) {
            self.claim(usize::MAX);
        }
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The answer to a request was handed over whole, or given up.
    pub fn end_request(&self) {
        self.changed_at
            .store(self.connections.millis(Instant::now()), Ordering::Relaxed);
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.claim(if self.http2.load(Ordering::Relaxed) {
            usize::MAX
        } else {
            0
        });
    }

    /// A request waits for its body, until what this gives is dropped.
    pub fn receive_body(self: &Arc<Self>) -> ReceivingBody {
        self.receiving.fetch_add(1, Ordering::Relaxed);
        ReceivingBody(self.clone())
    }

    /// A request has taken a part of its body: as much more may be read.
    pub fn take_body(&self, bytes: usize) {
        self.claim(bytes + FRAMING_BYTES);
    }

    fn claim(&self, bytes: usize) {
        let claimed = self.claimed.load(Ordering::Relaxed);
        self.claimed
            .store(claimed.saturating_add(bytes), Ordering::Relaxed);
        if self.paused.load(Ordering::Relaxed) {
            self.paused.store(false, Ordering::Relaxed);
            self.wake();
        }
    }

    /// The answer ends the connection: what the peer still sends is read for a short time, so that it gets to
    /// read the answer, and thrown away.
    pub fn linger(&self) {
        self.lingering.store(true, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// For what the connection may be closed to make room; nothing while the server works for it.
    fn evictable(&self, now: u64) -> Option<Waiting> {
        let blocked_at = self.blocked_at.load(Ordering::Relaxed);
        let requests = self.requests.load(Ordering::Relaxed);
        if requests == 0
            || (blocked_at != NOT_BLOCKED && longer_than(BLOCKED_EVICTABLE, blocked_at, now))
        {
            Some(Waiting::Idle)
        } else if self.receiving.load(Ordering::Relaxed) >= requests {
            Some(Waiting::ForBody)
        } else {
            None
        }
    }

    fn is_late(&self, now: u64, stopping: bool) -> bool {
        let changed_at = self.changed_at.load(Ordering::Relaxed);
        let blocked_at = self.blocked_at.load(Ordering::Relaxed);
        if blocked_at != NOT_BLOCKED {
            return longer_than(WRITE_TIMEOUT, blocked_at, now);
        }
        let limit = if !self.is_idle() {
            REQUEST_TIMEOUT
        } else if self.lingering.load(Ordering::Relaxed) {
            LINGER_TIMEOUT
        } else if stopping {
            FAREWELL_TIMEOUT
        } else if self.served.load(Ordering::Relaxed) {
            KEEP_ALIVE
        } else {
            FIRST_REQUEST_TIMEOUT
        };
        longer_than(limit, changed_at, now)
    }

    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// `Pending`, to be woken also when the connection is to be closed.
    fn wait<T>(&self, context: &Context<'_>) -> Poll<io::Result<T>> {
        let mut waker = self.waker.lock();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        drop(waker);
        if self.closing.load(Ordering::SeqCst) {
            Poll::Ready(Err(closed()))
        } else {
            Poll::Pending
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "closed by the server's limits",
    )
}

/// A connection that was admitted. It leaves the table when it is dropped.
pub struct Connection {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// Bytes read since it last had to wait.
    burst: usize,
    /// Bytes read that no request has taken.
    unclaimed: usize,
    /// Bytes read since the answer that ends it.
    lingered: usize,
    /// The peer does not take what is to be written.
    blocked: bool,
}

impl Connection {
    /// The address of the peer.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// What it is doing.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Whether the first bytes are those of HTTP/2 with prior knowledge (RFC 9113 section 3.4). Nothing is
    /// taken from the stream.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn begins_with_http2(&self) -> io::Result<bool> {
        const PREFACE: &[u8] = b"PRI * HTTP/2";
        std::future::poll_fn(|context| {
            let mut bytes = [0; PREFACE.len()];
            let mut buffer = ReadBuf::new(&mut bytes);
            match self.stream.poll_peek(context, &mut buffer) {
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(buffer.filled() == PREFACE)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => self.activity.wait(context),
            }
        })
        .await
    }

    /// Whether reading has to wait; if so the task is woken when it may go on.
    fn hold_back(&mut self, context: &Context<'_>) -> bool {
        let activity = &self.activity;
        if activity.is_idle() {
            activity.settled.store(true, Ordering::Relaxed);
            self.unclaimed = 0;
        }
        self.unclaimed = self
            .unclaimed
            .saturating_sub(activity.claimed.load(Ordering::Relaxed));
        activity.claimed.store(0, Ordering::Relaxed);
        let http2 = activity.http2.load(Ordering::Relaxed);
        if self.burst >= if http2 { READ_BURST_HTTP2 } else { READ_BURST } {
            self.burst = 0;
            context.waker().wake_by_ref();
            return true;
        }
        // With HTTP/1.1 what comes next cannot be answered before the answers that wait.
        if self.blocked && !http2 {
            return true;
        }
        let most = if http2 {
            UNCLAIMED_BYTES_HTTP2
        } else {
            UNCLAIMED_BYTES
        };
        if self.unclaimed >= most {
            activity.paused.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }

    fn wrote(
        &mut self,
        context: &Context<'_>,
        result: Poll<io::Result<usize>>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                if !self.blocked {
                    self.blocked = true;
                    let now = self.activity.connections.millis(Instant::now());
                    self.activity.blocked_at.store(now, Ordering::Relaxed);
                }
                self.activity.wait(context)
            }
            Poll::Ready(Ok(count)) if self.blocked && count == wanted => {
                self.blocked = false;
                self.activity
                    .blocked_at
                    .store(NOT_BLOCKED, Ordering::Relaxed);
                // Reading was held back, and nothing else would take it up again.
                context.waker().wake_by_ref();
                result
            }
            result => result,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.activity.connections.lock().remove(self.activity.id);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.hold_back(context) {
            return this.activity.wait(context);
        }
        let before = buffer.filled().len();
        let result =
            if this.activity.http2.load(Ordering::Relaxed) || buffer.remaining() <= READ_BURST {
                Pin::new(&mut this.stream).poll_read(context, buffer)
            } else {
                // To give a part of `buffer` away it would have to be zeroed each time, for the little that comes.
                PART.with_borrow_mut(|part| {
                    let mut part = ReadBuf::new(part);
                    let result = Pin::new(&mut this.stream).poll_read(context, &mut part);
                    buffer.put_slice(part.filled());
                    result
                })
            };
        match result {
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len() - before;
                this.burst += count;
                this.unclaimed += count;
                if this.activity.lingering.load(Ordering::Relaxed) && this.activity.is_idle() {
                    this.lingered += count;
                    if this.lingered > LINGER_BYTES {
                        return Poll::Ready(Err(closed()));
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                this.burst = 0;
                this.activity.wait(context)
            }
            error => error,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.wrote(context, result, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.wrote(context, result, bytes.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
