use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::base::{ErrorKind, Retry};

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for these names and its key, PEM.
pub(super) fn issue(authority: &Authority, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    change(&mut params);
    params.signed_by(&key, authority).unwrap().pem() + &key.serialize_pem()
}

pub(super) struct TlsServer {
    server: Server,
    acceptor: TlsAcceptor,
}

impl TlsServer {
    pub(super) async fn start(identity: &str, clients: Option<&Authority>, protocols: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(identity.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { server: Server::start().await, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/v1/chat", self.server.addr().port())
    }

    pub(super) async fn accept(&self) -> std::io::Result<Caller<TlsStream<TcpStream>>> {
        let tcp = self.server.accept().await.socket;
        let socket = soon("a handshake", self.acceptor.accept(tcp)).await?;
        Ok(Caller { socket, unread: Vec::new() })
    }

    /// Serves one request with an empty answer.
    async fn serve(&self) -> std::io::Result<Caller<TlsStream<TcpStream>>> {
        let mut caller = self.accept().await?;
        caller.request().await;
        caller.say(OK_EMPTY).await;
        Ok(caller)
    }
}

pub(super) fn trusting(authority: &Authority) -> NetworkSettings {
    NetworkSettings { ca_certificates: Some(authority.pem()), ..NetworkSettings::default() }
}

#[track_caller]
fn assert_tls(error: &Error, word: &str) {
    assert_eq!(
        (error.kind(), error.reason(), error.retry()),
        (ErrorKind::Unavailable, "tls", Retry::Never),
        "{error:?}"
    );
    assert!(error.detail().contains(word), "{error:?}");
    assert_discreet(error);
}

#[tokio::test]
async fn an_authority_of_the_settings_is_trusted_beside_the_systems() {
    let authority = authority();
    let server = TlsServer::start(&issue(&authority, &["localhost"], |_| ()), None, &[]).await;
    let transport = transport(&trusting(&authority));
    let (answer, caller) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), server.serve());
    assert_eq!(answer.unwrap().status(), 200);
    drop(caller);
    let system_only = standard();
    let (answer, caller) = tokio::join!(soon("an answer", system_only.send(post(&server.url()))), server.serve());
    assert!(caller.is_err());
    assert_tls(&answer.unwrap_err(), "not trusted here");
}

#[tokio::test]
async fn a_certificate_that_is_expired_or_for_another_name_is_refused() {
    let authority = authority();
    let expired = issue(&authority, &["localhost"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let other = issue(&authority, &["elsewhere.example"], |_| ());
    for (identity, word) in [(expired, "expired"), (other, "another name")] {
        let server = TlsServer::start(&identity, None, &[]).await;
        let transport = transport(&trusting(&authority));
        let (answer, caller) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), server.serve());
        assert!(caller.is_err());
        assert_tls(&answer.unwrap_err(), word);
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let authority = authority();
    let identity = issue(&authority, &["localhost"], |_| ());
    let server = TlsServer::start(&identity, Some(&authority), &[]).await;
    let client = issue(&authority, &["client.example"], |_| ());
    let shown = NetworkSettings { client_certificate: Some(client.into()), ..trusting(&authority) };
    let transport_with = transport(&shown);
    let (answer, caller) = tokio::join!(soon("an answer", transport_with.send(post(&server.url()))), server.serve());
    assert_eq!(answer.unwrap().status(), 200);
    drop(caller);
    let transport_without = transport(&trusting(&authority));
    let (answer, caller) = tokio::join!(soon("an answer", transport_without.send(post(&server.url()))), server.serve());
    assert!(caller.is_err());
    assert_tls(&answer.unwrap_err(), "client_certificate");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_tls() {
    let server = Server::start().await;
    let url = server.url().replace("http:", "https:");
    let transport = standard();
    let serving = async {
        let mut caller = server.accept().await;
        caller.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        caller
    };
    let (answer, _caller) = tokio::join!(soon("an answer", transport.send(post(&url))), serving);
    assert_tls(&answer.unwrap_err(), "does not speak TLS");
}

#[tokio::test]
async fn the_key_of_the_certificate_must_fit() {
    let authority = authority();
    let (one, two) = (issue(&authority, &["a.example"], |_| ()), issue(&authority, &["b.example"], |_| ()));
    let mixed =
        one[..one.find("-----BEGIN PRIVATE").unwrap()].to_owned() + &two[two.find("-----BEGIN PRIVATE").unwrap()..];
    let settings = NetworkSettings { client_certificate: Some(mixed.into()), ..NetworkSettings::default() };
    let error = HttpTransport::new(&settings, Arc::new(SystemClock::default())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "client_certificate"));
}

#[tokio::test]
async fn a_tunnel_through_a_proxy_ends_at_the_server_and_the_proxy_sees_only_ciphertext() {
    let authority = authority();
    let server = TlsServer::start(&issue(&authority, &["localhost"], |_| ()), None, &[]).await;
    let proxy = Server::start().await;
    let settings = NetworkSettings { proxy: Some(format!("http://{}", proxy.addr()).into()), ..trusting(&authority) };
    let transport = transport(&settings);
    let tunnelling = async {
        let mut caller = proxy.accept().await;
        let request = caller.request().await;
        caller.say("HTTP/1.1 200 Connection established\r\n\r\n").await;
        (caller, request)
    };
    let relayed = async {
        let (mut caller, request) = tunnelling.await;
        let mut upstream = TcpStream::connect(server.server.addr()).await.unwrap();
        let mut seen = Vec::new();
        let (mut from_client, mut to_client) = caller.socket.split();
        let (mut from_server, mut to_server) = upstream.split();
        let up = async {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                seen.extend_from_slice(&buffer[..read]);
                to_server.write_all(&buffer[..read]).await.unwrap();
            }
            to_server.shutdown().await.ok();
        };
        let down = tokio::io::copy(&mut from_server, &mut to_client);
        let ((), _) = tokio::join!(up, down);
        (request, seen)
    };
    let calling = async {
        let answer = soon("an answer", transport.send(post(&server.url()))).await;
        transport.close().await;
        answer
    };
    let serving = async { drop(server.serve().await.unwrap()) };
    let (answer, (), (request, seen)) = soon("the end of all", async { tokio::join!(calling, serving, relayed) }).await;
    assert_eq!(answer.unwrap().status(), 200);
    assert!(request.starts_with("CONNECT localhost:"), "{request}");
    assert!(seen.len() > 100 && find(&seen, b"canary-key").is_none());
}

/// Sockets of this process to that port that are not closed on this side.
#[cfg(target_os = "linux")]
fn sockets_to(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    const CLOSE_WAIT: &str = "08";
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let to = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.len() > 3 && row[2].ends_with(&to) && [ESTABLISHED, CLOSE_WAIT].contains(&row[3]))
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_close_comes_back_no_tls_socket_is_open() {
    let authority = authority();
    let server = TlsServer::start(&issue(&authority, &["localhost"], |_| ()), None, &[]).await;
    let transport = transport(&trusting(&authority));
    let mut callers = Vec::new();
    let mut running = Vec::new();
    for _ in 0..8 {
        let serving = async {
            let mut caller = server.accept().await.unwrap();
            caller.request().await;
            caller.say(OK_CHUNKED).await;
            caller
        };
        let (answer, caller) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
        running.push(answer.unwrap());
        callers.push(caller);
    }
    for caller in &mut callers[..4] {
        caller.say("0\r\n\r\n").await;
    }
    for answer in running.drain(..4) {
        answer.into_body().collect(0).await.unwrap();
    }
    let port = server.server.addr().port();
    assert_eq!(sockets_to(port), 8, "four idle and four running");
    soon("the close", transport.close()).await;
    assert_eq!(sockets_to(port), 0);
}
