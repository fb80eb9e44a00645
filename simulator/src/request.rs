//! Reading requests of HTTP/1.1: keep-alive, pipelined, with a length or in chunks, and bounded.

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 64 << 20;
const MAX_HEADERS: usize = 128;

/// One request.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The head as it came, for whoever asks for more of it.
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
    /// The value of `x-simulator-script`.
    pub(crate) script: Option<String>,
    /// Whether it says which version of Anthropic's API it speaks.
    pub(crate) anthropic: bool,
    /// Whether the client wants no further answer on this connection.
    pub(crate) close: bool,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }
}

pub(crate) enum Incoming {
    Request(Request),
    /// The client closed or reset the connection.
    Gone,
    /// The request cannot be read: answer with this status and close.
    Refuse(u16),
}

enum Length {
    Known(usize),
    Chunked,
}

/// Reads the next request. `buffer` keeps what came beyond it.
pub(crate) async fn next(socket: &mut TcpStream, buffer: &mut BytesMut) -> Incoming {
    let (mut request, length, expects) = loop {
        match parse_head(buffer) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) if buffer.len() > MAX_HEAD => return Incoming::Refuse(431),
            Ok(None) => {}
            Err(status) => return Incoming::Refuse(status),
        }
        if !matches!(socket.read_buf(buffer).await, Ok(1..)) {
            return Incoming::Gone;
        }
    };
    if expects && socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
        return Incoming::Gone;
    }
    let body = match length {
        Length::Known(length) if length > MAX_BODY => return Incoming::Refuse(413),
        Length::Known(length) => loop {
            if buffer.len() >= length {
                break buffer.split_to(length);
            }
            buffer.reserve(length - buffer.len());
            if !matches!(socket.read_buf(buffer).await, Ok(1..)) {
                return Incoming::Gone;
            }
        },
        Length::Chunked => match chunked(socket, buffer).await {
            Ok(body) => body,
            Err(incoming) => return incoming,
        },
    };
    request.body = body.freeze();
    Incoming::Request(request)
}

fn parse_head(buffer: &mut BytesMut) -> Result<Option<(Request, Length, bool)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let end = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        head: Bytes::new(),
        body: Bytes::new(),
        script: None,
        anthropic: false,
        close: parsed.version == Some(0),
    };
    let mut length = Length::Known(0);
    let mut expects = false;
    for header in parsed.headers.iter() {
        let value = || std::str::from_utf8(header.value).map(str::trim).map_err(|_| 400_u16);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            length = Length::Known(value()?.parse().map_err(|_| 400_u16)?);
        } else if is("transfer-encoding") {
            length = Length::Chunked;
        } else if is("connection") {
            request.close |= value()?.eq_ignore_ascii_case("close");
        } else if is("expect") {
            expects = true;
        } else if is("x-simulator-script") {
            request.script = Some(value()?.to_owned());
        } else if is("anthropic-version") {
            request.anthropic = true;
        }
    }
    request.head = buffer.split_to(end).freeze();
    Ok(Some((request, length, expects)))
}

async fn chunked(socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<BytesMut, Incoming> {
    let mut body = BytesMut::new();
    loop {
        match httparse::parse_chunk_size(buffer) {
            // The last chunk, then trailers that nobody needs, then an empty line.
            Ok(httparse::Status::Complete((line, 0))) => {
                let mut trailers = [httparse::EMPTY_HEADER; 16];
                match httparse::parse_headers(&buffer[line..], &mut trailers) {
                    Ok(httparse::Status::Complete((end, _))) => {
                        buffer.advance(line + end);
                        return Ok(body);
                    }
                    Ok(httparse::Status::Partial) => {}
                    Err(_) => return Err(Incoming::Refuse(400)),
                }
            }
            Ok(httparse::Status::Complete((line, size))) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > MAX_BODY - body.len() {
                    return Err(Incoming::Refuse(413));
                }
                if buffer.len() >= line + size + 2 {
                    body.extend_from_slice(&buffer[line..line + size]);
                    buffer.advance(line + size + 2);
                    continue;
                }
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Err(Incoming::Refuse(400)),
        }
        if !matches!(socket.read_buf(buffer).await, Ok(1..)) {
            return Err(Incoming::Gone);
        }
    }
}
