//! A provider on loopback: answers each request once with the bytes that were laid out for it, cut as asked.
//!
//! Raw HTTP/1.1, because the cut of a chunked body is what is tested here and every server library mends it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::case::Case;

/// How a body goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Where a chunk ends and the next one begins, in ascending order.
    pub(crate) borders: Vec<usize>,
    /// The connection is closed behind so many bytes, without the last chunk. Nothing: at its clean end.
    pub(crate) cut: Option<usize>,
}

struct Laid {
    head: String,
    body: Bytes,
    delivery: Delivery,
}

type Table = Arc<Mutex<HashMap<u64, Laid>>>;

/// A provider on loopback. Ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    laid: Table,
    next: AtomicU64,
    _accepting: JoinSet<()>,
}

impl Server {
    /// Listens on a free port.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let laid = Table::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, laid.clone()));
        Ok(Self { address, laid, next: AtomicU64::new(0), _accepting: accepting })
    }

    /// Lays out a reply. The one request that goes below the address given back gets it.
    pub(crate) fn lay(&self, case: &Case, delivery: Delivery) -> String {
        let mut head = format!("HTTP/1.1 {} Recorded\r\n", case.status);
        for (name, value) in &case.headers {
            head.push_str(&format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
        }
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let laid = Laid { head, body: case.body.clone(), delivery };
        self.laid.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, laid);
        format!("http://{}/{ticket}", self.address)
    }
}

async fn accept(listener: TcpListener, laid: Table) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that fails fails its request, which says so.
                let Ok((connection, _)) = accepted else { continue };
                let laid = laid.clone();
                connections.spawn(async move { drop(serve(connection, &laid).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers requests until the peer goes or a reply is cut.
async fn serve(mut connection: TcpStream, table: &Table) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut received = Vec::new();
    while let Some(ticket) = request(&mut connection, &mut received).await? {
        let laid = table.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        let Some(laid) = laid else {
            return connection.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        };
        connection.write_all(laid.head.as_bytes()).await?;
        let Delivery { borders, cut } = laid.delivery;
        let end = cut.unwrap_or(laid.body.len());
        let mut from = 0;
        for to in borders.into_iter().chain([end]).map(|border| border.min(end)) {
            if to <= from {
                continue;
            }
            let mut chunk = format!("{:x}\r\n", to - from).into_bytes();
            chunk.extend_from_slice(&laid.body[from..to]);
            chunk.extend_from_slice(b"\r\n");
            connection.write_all(&chunk).await?;
            // Lets the reader in between, so that it meets the pieces rather than their sum.
            tokio::task::yield_now().await;
            from = to;
        }
        if cut.is_some() {
            return connection.shutdown().await;
        }
        connection.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

/// Reads one request and gives back the ticket in its path. Nothing when the peer is gone.
async fn request(connection: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let end_of_head = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if connection.read_buf(received).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&received[..end_of_head]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    while received.len() < end_of_head + length {
        if connection.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
    received.drain(..end_of_head + length);
    Ok(head.split('/').nth(1).and_then(|ticket| ticket.split(' ').next()?.parse().ok()))
}
