//! A minimal HTTP client: persistent connections, prepared request bytes, blocking reads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use crate::Outcome;

/// A persistent connection.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: Vec::with_capacity(4096),
        })
    }

    /// Sends a request. Returns the body of its response, which must be a 200 with a length.
    fn send(&mut self, request: &[u8]) -> Outcome<&[u8]> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut whole = None;
        loop {
            let mut chunk = [0; 4096];
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err("the server hung up".into());
            }
            self.answer.extend_from_slice(&chunk[..length]);
            if whole.is_none() {
                whole = frame(&self.answer)?;
            }
            if let Some((body, end)) = whole
                && self.answer.len() >= end
            {
                return Ok(&self.answer[body..end]);
            }
        }
    }
}

/// The range of the body, once the head is complete.
fn frame(answer: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("not a 200: {}", String::from_utf8_lossy(answer)).into());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.ok_or("an answer without content-length")?;
    let body = end + 4;
    Ok(Some((body, body + length.parse::<usize>()?)))
}

/// Connections to one server, each with a thread while they are in use.
pub struct Connections(Vec<Connection>);

impl Connections {
    /// Opens the connections, and sends one `request` on each.
    pub fn open(address: SocketAddr, number: usize, request: &[u8]) -> Outcome<Self> {
        let mut connections = Connections(
            (0..number)
                .map(|_| Connection::open(address))
                .collect::<Outcome<_>>()?,
        );
        connections.drive(number, |_| request, |_| Ok(()))?;
        Ok(connections)
    }

    /// Sends `count` requests, numbered from 0, as fast as responses arrive. Returns what was read
    /// from the responses.
    pub fn drive<'a, T: Send>(
        &mut self,
        count: usize,
        request: impl Fn(usize) -> &'a [u8] + Sync,
        read: impl Fn(&[u8]) -> Outcome<T> + Sync,
    ) -> Outcome<Vec<T>> {
        let number = self.0.len();
        let (request, read) = (&request, &read);
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .0
                .iter_mut()
                .enumerate()
                .map(|(first, connection)| {
                    scope.spawn(move || {
                        let mine = (first..count).step_by(number);
                        mine.map(|index| read(connection.send(request(index))?))
                            .collect::<Outcome<Vec<T>>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(count);
            for thread in threads {
                all.extend(thread.join().map_err(|_| "a client thread panicked")??);
            }
            Ok(all)
        })
    }
}

/// The bytes of a GET request.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: keyward\r\n\r\n").into_bytes()
}

/// The bytes of a POST request with a form and Basic authentication.
pub fn post(path: &str, authorization: &str, form: &str) -> Vec<u8> {
    post_with(path, authorization, "", form)
}

/// [`post`] with further header lines, each with its line end.
pub fn post_with(path: &str, authorization: &str, headers: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: keyward\r\nAuthorization: {authorization}\r\n{headers}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
