//! Limits for peers: the number of their connections, how long these may be idle or block, and
//! their memory.
//!
//! Every connection has a row in a table. Once a second a sweep closes the connections that are
//! idle for too long, never send a request, or do not read their responses. When the table is full,
//! connections are evicted to make room for new ones: those that are idle longest, then those that
//! wait for the rest of a body; connections of addresses that have many of them first.

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

/// How long a new connection may take to send its first request, including the TLS handshake.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may be idle. The whole head of the next request must have arrived by then.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long a response may wait for a peer that does not read it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may be busy without a request that starts or ends.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a peer may go on sending after a response that closes the connection.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes of that are read and discarded.
const LINGER_BYTES: usize = 1024 * 1024;

/// How long an idle connection stays open while the server stops: its last response may be on the
/// way.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a peer may not read before its connection can be evicted.
const BLOCKED_EVICTABLE: Duration = Duration::from_secs(5);

/// How long a connection is evicted last after a request started or ended: the next one may be on
/// the way.
const FRESH: Duration = Duration::from_secs(1);

/// The interval between sweeps of the table while the server stops.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// How many bytes are read before they are processed and other tasks run. With HTTP/1.1 all
/// requests in them are parsed at once, and each takes many times its size in memory.
const READ_BURST: usize = 4 * 1024;
const READ_BURST_HTTP2: usize = 16 * 1024;

thread_local! {
    /// The read buffer for HTTP/1.1.
    static PART: RefCell<[u8; READ_BURST]> = const { RefCell::new([0; READ_BURST]) };
}

/// How many bytes may be read that no request has claimed. With HTTP/1.1 these are pipelined
/// requests, which wait for the responses to earlier ones; with HTTP/2 they are frames, which are
/// processed at once.
const UNCLAIMED_BYTES: usize = 8 * 1024;
const UNCLAIMED_BYTES_HTTP2: usize = 256 * 1024;

/// The most bytes that the framing adds to a part of a body.
const FRAMING_BYTES: usize = 64;

/// The shortest time between two warnings that the table is full.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Tells whether an address is a trusted proxy, which the limit for each address does not apply to.
pub type IsProxy = dyn Fn(IpAddr) -> bool + Send + Sync;

/// All open connections.
pub struct Connections {
    /// Instants are stored as milliseconds since this one.
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
    /// An empty table for `limit` connections.
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

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.lock().rows.len()
    }

    /// The number of connections that were evicted since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// The most connections that may be accepted, including those that are being closed.
    pub fn accept_limit(&self) -> usize {
        self.limit + self.limit / 8
    }

    /// The most connections of one address: an eighth of the table, but up to half of a small
    /// table.
    fn limit_by_address(&self) -> usize {
        (self.limit / 8).max(256.min(self.limit / 2)).max(1)
    }

    /// Adds a new connection to the table. Returns `None` if its address has too many and none can
    /// be evicted.
    pub fn admit(self: &Arc<Self>, stream: TcpStream) -> Option<Connection> {
        let peer = stream.peer_addr().ok()?.ip().to_canonical();
        let address = to_prefix64(peer);
        let proxy = (self.is_proxy)(peer);
        let mut table = self.lock();
        let of_address = table.by_address.get(&address).copied().unwrap_or(0);
        let open = table.rows.len();
        if open >= self.limit {
            // More than needed, so that a flood does not scan the table for each of its
            // connections.
            let excess = open - self.limit + 1 + self.limit / 64;
            self.evict(&mut table, excess, None);
            self.warn(
                &mut table,
                "too many connections: idle and slow ones are closed",
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

    /// Evicts up to `count` connections that the server is not working for. Returns how many.
    /// Connections of addresses with many of them go first: those that are idle longest, then those
    /// that wait for a body. Fresh ones go last, those of addresses with the most connections
    /// first: a flood must not displace peers that have a request on the way.
    fn evict(&self, table: &mut Table, count: usize, address: Option<IpAddr>) -> usize {
        let now = self.millis(Instant::now());
        let many = self.limit_by_address() / 2;
        let rank = |row: &Arc<Activity>| {
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
        let mut ranked: Vec<_> = table
            .rows
            .values()
            .filter(of_address)
            .filter_map(rank)
            .collect();
        ranked.sort_unstable();
        ranked.truncate(count);
        for (.., id) in &ranked {
            self.close(table, *id);
        }
        self.evicted.fetch_add(
            u64::try_from(ranked.len()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        ranked.len()
    }

    fn close(&self, table: &mut Table, id: u64) {
        if let Some(row) = table.rows.get(&id).cloned() {
            table.remove(id);
            row.close();
        }
    }

    fn warn(&self, table: &mut Table, message: &str, address: Option<IpAddr>) {
        let now = Instant::now();
        if table
            .warned_at
            .is_none_or(|warned| now - warned >= WARNING_INTERVAL)
        {
            table.warned_at = Some(now);
            let peer = address.map(tracing::field::display);
            tracing::warn!(
                open = table.rows.len(),
                limit = self.limit,
                evicted = self.evicted(),
                peer,
                "{message}"
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

/// Truncates an IPv6 address to its /64, which belongs to one customer.
fn to_prefix64(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

const NOT_BLOCKED: u64 = u64::MAX;

/// What the server waits for, on a connection that it is not working for. In the order of eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    /// A request, or the peer to read its response.
    Idle,
    /// The rest of the body of each request.
    ForBody,
}

/// Marks a request as waiting for its body, until it is dropped.
pub struct ReceivingBody(Arc<Activity>);

impl Drop for ReceivingBody {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether more than `limit` has passed from `since` to `now`, both in milliseconds.
fn longer_than(limit: Duration, since: u64, now: u64) -> bool {
    u128::from(now.saturating_sub(since)) > limit.as_millis()
}

/// The state of a connection. Shared by the connection, the table, and the requests on it.
pub struct Activity {
    connections: Arc<Connections>,
    id: u64,
    address: IpAddr,
    http2: AtomicBool,
    /// The number of requests whose response has not been handed over completely.
    requests: AtomicU32,
    /// How many of these wait for more of their body.
    receiving: AtomicU32,
    /// At least one request has arrived.
    served: AtomicBool,
    /// The last response closes the connection.
    lingering: AtomicBool,
    /// When the connection was accepted, or a request last started or ended.
    changed_at: AtomicU64,
    /// Since when the peer has not read what is to be written.
    blocked_at: AtomicU64,
    /// Everything that was read has been processed, and no request has started since.
    settled: AtomicBool,
    /// How many bytes requests have claimed since the last read.
    claimed: AtomicUsize,
    /// Reading waits until requests have claimed what was read.
    paused: AtomicBool,
    closing: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Activity {
    /// Marks the connection as HTTP/2.
    pub fn set_http2(&self) {
        self.http2.store(true, Ordering::Relaxed);
    }

    /// Called when a request starts. Returns how many there are now.
    pub fn begin_request(&self, now: Instant) -> u32 {
        self.served.store(true, Ordering::Relaxed);
        self.changed_at
            .store(self.connections.millis(now), Ordering::Relaxed);
        // With HTTP/1.1 pipelined requests wait in a queue. HTTP/2 has no such queue.
        if self.settled.swap(false, Ordering::Relaxed) || self.http2.load(Ordering::Relaxed) {
            self.claim(usize::MAX);
        }
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Called when a request whose response takes long has got a further part of it: the limit of a
    /// request's duration begins again.
    pub fn make_progress(&self) {
        self.changed_at
            .store(self.connections.millis(Instant::now()), Ordering::Relaxed);
    }

    /// Called when the response to a request was handed over completely, or abandoned.
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

    /// Called when a request waits for its body. The request waits until the returned value is
    /// dropped.
    pub fn receive_body(self: &Arc<Self>) -> ReceivingBody {
        self.receiving.fetch_add(1, Ordering::Relaxed);
        ReceivingBody(self.clone())
    }

    /// Called when a request has taken a part of its body: as much more may be read.
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

    /// Called before a response that closes the connection. What the peer still sends is read for a
    /// short time and discarded, so that the peer can read the response.
    pub fn linger(&self) {
        self.lingering.store(true, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// What the server waits for, if the connection can be evicted; `None` while the server is
    /// working for it.
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

    /// Returns `Pending`, to be woken also when the connection is to be closed.
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
        "closed by the limits of the server",
    )
}

/// A connection that was admitted. It is removed from the table when it is dropped.
pub struct Connection {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// Bytes read since the last wait.
    burst: usize,
    /// Bytes read that no request has claimed.
    unclaimed: usize,
    /// Bytes read since the response that closes the connection.
    lingered: usize,
    /// The peer does not read what is to be written.
    blocked: bool,
}

impl Connection {
    /// The address of the peer.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// The state of the connection.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Whether the first bytes are the preface of HTTP/2 with prior knowledge (RFC 9113 section
    /// 3.4). Peeks at the stream without consuming anything.
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

    /// Whether reading has to wait. If so, the task is woken when it can go on.
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
        // With HTTP/1.1 the next request cannot be answered before the responses that wait.
        if self.blocked && !http2 {
            return true;
        }
        let max = if http2 {
            UNCLAIMED_BYTES_HTTP2
        } else {
            UNCLAIMED_BYTES
        };
        if self.unclaimed >= max {
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
                // Reading was held back, and nothing else would resume it.
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
                // A part of `buffer` could only be lent after zeroing it, each time, for a few
                // bytes.
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
