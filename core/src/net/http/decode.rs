//! The pieces of a body as they come in, decoded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder};
use bytes::{Bytes, BytesMut};
use futures::stream::Stream;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncBufRead as _, AsyncRead};
use tokio_util::io::{StreamReader, poll_read_buf};

/// So much is decoded at a time, in bytes.
const AT_ONCE: usize = 8 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Says what can be decoded, where the request does not say itself what it takes.
pub(super) fn offer(headers: &mut HeaderMap) {
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip,br"));
}

/// The pieces of a body, decoded by what its head says. The head then speaks of the decoded one.
pub(super) enum Decoded {
    Plain(Wire),
    Gzip(Box<Decoding<GzipDecoder<StreamReader<Wire, Bytes>>>>),
    Brotli(Box<Decoding<BrotliDecoder<StreamReader<Wire, Bytes>>>>),
}

impl Decoded {
    pub(super) fn new(head: &mut HeaderMap, body: Incoming) -> Self {
        let (wire, encoding) = (Wire(body), head.get(CONTENT_ENCODING).map(HeaderValue::as_bytes));
        let pieces = match encoding {
            Some(b"gzip") => {
                let mut decoder = GzipDecoder::new(StreamReader::new(wire));
                decoder.multiple_members(true);
                Self::Gzip(Box::new(Decoding::new(decoder)))
            }
            Some(b"br") => Self::Brotli(Box::new(Decoding::new(BrotliDecoder::new(StreamReader::new(wire))))),
            _ => return Self::Plain(wire),
        };
        head.remove(CONTENT_ENCODING);
        head.remove(CONTENT_LENGTH);
        pieces
    }

    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        match self {
            Self::Plain(wire) => wire.poll_piece(cx).map_err(Into::into),
            Self::Gzip(decoding) => decoding.poll_piece(cx, |decoder| decoder.get_mut()),
            Self::Brotli(decoding) => decoding.poll_piece(cx, |decoder| decoder.get_mut()),
        }
    }
}

/// The pieces as they were sent.
pub(super) struct Wire(Incoming);

impl Wire {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                // Trailers say nothing that anybody asks for.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Wire {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(cx).map_err(io::Error::other)
    }
}

pub(super) struct Decoding<D> {
    decoder: D,
    buffer: BytesMut,
    is_over: bool,
}

impl<D: AsyncRead + Unpin> Decoding<D> {
    fn new(decoder: D) -> Self {
        Self { decoder, buffer: BytesMut::new(), is_over: false }
    }

    /// What is encoded may end before its body does: the body's end is waited for, so that the connection can be used
    /// again. Where more comes instead, the connection is let go.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        body: impl Fn(&mut D) -> &mut StreamReader<Wire, Bytes>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        if !self.is_over {
            self.buffer.reserve(AT_ONCE);
            if ready!(poll_read_buf(Pin::new(&mut self.decoder), cx, &mut self.buffer))? > 0 {
                return Poll::Ready(Some(Ok(self.buffer.split().freeze())));
            }
            self.is_over = true;
        }
        ready!(Pin::new(body(&mut self.decoder)).poll_fill_buf(cx))?;
        Poll::Ready(None)
    }
}
