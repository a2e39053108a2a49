//! The least HTTP client that will do: kept connections, ready-made request bytes, blocking reads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use crate::Outcome;

/// A kept connection.
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

    /// Sends a request; gives the body of its answer, which has to be a 200 with a length.
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

/// Where the body begins and ends, once all of the head is there.
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

/// A number of connections to one server, a thread for each while they are driven.
pub struct Connections(Vec<Connection>);

impl Connections {
    /// Opens them, and makes the server see each by one `request`.
    pub fn open(address: SocketAddr, number: usize, request: &[u8]) -> Outcome<Self> {
        let mut connections = Connections(
            (0..number)
                .map(|_| Connection::open(address))
                .collect::<Outcome<_>>()?,
        );
        connections.drive(number, |_| request, |_| Ok(()))?;
        Ok(connections)
    }

    /// Sends `count` requests, the numbers 0 to `count` - 1, as fast as answers come; gives what
    /// was read from the answers.
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

/// A GET.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: keyward\r\n\r\n").into_bytes()
}

/// A POST of a form with Basic authentication.
pub fn post(path: &str, authorization: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: keyward\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
