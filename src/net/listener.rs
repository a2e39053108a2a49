//! The listening socket, and the limit of open file descriptors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// How long the kernel waits for a peer to acknowledge what was sent (`TCP_USER_TIMEOUT`), also
/// while the peer announces a window of zero. After that it ends the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many unsent bytes the kernel buffers (`TCP_NOTSENT_LOWAT`). By default it buffers up to 4 MB
/// for each connection whose peer does not read.
const NOT_SENT_LIMIT: u32 = 64 * 1024;

/// The backlog of connections to accept. The kernel's `net.core.somaxconn` may lower it.
const BACKLOG: i32 = 2048;

/// The default of the setting `max_connections`, if the file descriptors allow so many.
const MAX_CONNECTIONS: usize = 10_000;

/// File descriptors for everything but connections: the database, its files, outgoing requests,
/// event queues.
const RESERVED_DESCRIPTORS: usize = 96;

/// Listens on an address. Accepted connections inherit the socket options.
///
/// # Errors
/// The address is in use, or does not belong to this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.set_tcp_notsent_lowat(NOT_SENT_LIMIT)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Raises the soft limit of open file descriptors (`RLIMIT_NOFILE`) to the hard limit. Returns the
/// limit that applies then.
pub fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    // `None` stands for unlimited.
    current.map_or(usize::MAX, |current| {
        usize::try_from(current).unwrap_or(usize::MAX)
    })
}

/// `max_connections` is more than the file descriptors allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "max_connections is {wanted}, but only {descriptors} file descriptors may be open (ulimit -n), enough for \
     {possible} connections"
)]
pub struct TooManyConnections {
    wanted: usize,
    descriptors: usize,
    possible: usize,
}

/// The number of connections to accept with a limit of `descriptors`: `wanted` (the setting
/// `max_connections`), or by default as many as are possible, up to 10000.
///
/// # Errors
/// [`TooManyConnections`] if `wanted` is not possible.
pub fn connection_limit(
    descriptors: usize,
    wanted: Option<usize>,
) -> Result<usize, TooManyConnections> {
    let free = descriptors.saturating_sub(RESERVED_DESCRIPTORS);
    // An eighth for connections that were just accepted, or are about to be closed.
    let possible = (free - free / 8).max(16);
    match wanted {
        Some(wanted) if wanted > possible => Err(TooManyConnections {
            wanted,
            descriptors,
            possible,
        }),
        Some(wanted) => Ok(wanted),
        None => Ok(possible.min(MAX_CONNECTIONS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_limit_follows_the_limit_of_descriptors() {
        for (descriptors, wanted, limit) in [
            (256, None, Ok(140)),
            (20_000, None, Ok(10_000)),
            (usize::MAX, None, Ok(10_000)),
            (50, None, Ok(16)),
            (256, Some(140), Ok(140)),
            (20_000, Some(15_000), Ok(15_000)),
        ] {
            assert_eq!(
                connection_limit(descriptors, wanted),
                limit,
                "{descriptors} {wanted:?}"
            );
        }
        assert_eq!(
            connection_limit(256, Some(141)),
            Err(TooManyConnections {
                wanted: 141,
                descriptors: 256,
                possible: 140
            })
        );
    }
}
