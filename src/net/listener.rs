//! The listening socket, and the number of descriptors that the system allows.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// How long the kernel waits for a peer to take what was sent, also where the peer answers that it has no
/// room (a window of zero). After that it ends the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes may wait in the kernel without having been sent. Without this the kernel takes up to
/// 4 MB for each connection whose peer does not read.
const NOT_SENT_LIMIT: u32 = 64 * 1024;

/// Connections that wait to be accepted. The kernel's `net.core.somaxconn` may allow less.
const BACKLOG: i32 = 2048;

/// The most connections by default.
const MAX_CONNECTIONS: usize = 10_000;

/// Descriptors for everything else: the database, its files, fetching of keys, the log, event queues.
const RESERVED_DESCRIPTORS: usize = 96;

/// Listens on an address. Accepted connections inherit the options.
///
/// # Errors
/// The address is taken, or is not one of this machine.
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

/// Raises the limit of open descriptors as far as the system allows; gives the limit then.
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
    // No number is no limit.
    current.map_or(usize::MAX, |current| {
        usize::try_from(current).unwrap_or(usize::MAX)
    })
}

/// How many connections fit below a limit of descriptors: at the most `wanted`, where that is set.
///
/// # Errors
/// `wanted` does not fit.
pub fn connection_limit(descriptors: usize, wanted: Option<usize>) -> Result<usize, String> {
    let free = descriptors.saturating_sub(RESERVED_DESCRIPTORS);
    // Some more are open for a moment: accepted, or about to be closed.
    let fits = (free - free / 8).max(16);
    match wanted {
        Some(wanted) if wanted > fits => Err(format!(
            "max_connections is {wanted}, but only {descriptors} descriptors may be open (ulimit -n), enough for {fits} connections"
        )),
        Some(wanted) => Ok(wanted),
        None => Ok(fits.min(MAX_CONNECTIONS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_below_the_descriptors() {
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
        assert!(
            connection_limit(256, Some(141))
                .is_err_and(|reason| reason.contains("141") && reason.contains("256"))
        );
    }
}
