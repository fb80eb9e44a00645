use super::tls::{TlsServer, authority, issue, trusting};
use super::*;
use crate::base::{ErrorKind, Retry};

fn through(proxy: &Server, userinfo: &str) -> HttpTransport {
    let proxy = Some(format!("http://{userinfo}{}", proxy.addr()).into());
    transport(&NetworkSettings { proxy, ..NetworkSettings::default() })
}

#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_in_absolute_form_with_its_credentials() {
    let proxy = Server::start().await;
    let transport = through(&proxy, "user:word@");
    let serving = async {
        let mut caller = proxy.accept().await;
        let request = caller.request().await;
        caller.say(OK_EMPTY).await;
        request
    };
    let (answer, request) = tokio::join!(transport.send(post("http://model.invalid/v1")), serving);
    assert_eq!(answer.unwrap().status(), 200);
    assert!(request.starts_with("POST http://model.invalid/v1 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk\r\n"), "{request}");
}

#[tokio::test]
async fn a_tunnel_that_the_proxy_refuses_is_proxy() {
    for (answer, retry) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", Retry::Never),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", Retry::Safe),
        ("HTTP/1.1 200 O", Retry::Safe),
    ] {
        let proxy = Server::start().await;
        let transport = through(&proxy, "");
        let serving = async {
            let mut caller = proxy.accept().await;
            let request = caller.request().await;
            caller.say(answer).await;
            request
        };
        let (answer, request) = tokio::join!(transport.send(post("https://canary.invalid/v1/chat")), serving);
        let error = answer.unwrap_err();
        assert!(request.starts_with("CONNECT canary.invalid:443 HTTP/1.1\r\n"), "{request}");
        assert!(!request.contains("canary-key"), "the key must not reach the proxy: {request}");
        assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Unavailable, "proxy", retry));
        assert_discreet(&error);
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_is_proxy() {
    let proxy = Server::start().await;
    let transport = through(&proxy, "");
    drop(proxy);
    let error = transport.send(post("https://canary.invalid/v1/chat")).await.unwrap_err();
    assert_eq!((error.reason(), error.retry()), ("proxy", Retry::Safe));
}

#[tokio::test]
async fn a_proxy_may_itself_be_reached_by_tls_and_is_never_asked_for_http2() {
    let authority = authority();
    let proxy = TlsServer::start(&issue(&authority, &["localhost"], |_| ()), None, &["h2", "http/1.1"]).await;
    let url = proxy.url().replace("/v1/chat", "");
    let settings = NetworkSettings { proxy: Some(url.replace("://", "://user:word@").into()), ..trusting(&authority) };
    for (to, first_line, status) in [
        ("http://model.invalid/v1", "POST http://model.invalid/v1 HTTP/1.1\r\n", "200 OK"),
        ("https://model.invalid/v1", "CONNECT model.invalid:443 HTTP/1.1\r\n", "502 Bad Gateway"),
    ] {
        let transport = transport(&settings);
        let serving = async {
            let mut caller = proxy.accept().await.unwrap();
            let request = caller.request().await;
            caller.say(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
            request
        };
        let (answer, request) = tokio::join!(soon("an answer", transport.send(post(to))), serving);
        assert!(request.starts_with(first_line), "{request}");
        assert!(request.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk\r\n"), "{request}");
        assert_eq!(answer.map_or_else(|error| error.reason().to_owned(), |answer| answer.status().to_string()), {
            if status.starts_with("200") { "200 OK" } else { "proxy" }
        });
    }
}

#[test]
fn what_is_no_proxy_of_http_is_refused_in_the_settings() {
    for url in
        ["", "proxy.example", "proxy.example:8080", "socks5://proxy.example:1080", "http://", "ftp://proxy.example"]
    {
        let settings = NetworkSettings { proxy: Some(url.into()), ..NetworkSettings::default() };
        let error = HttpTransport::new(&settings, Arc::new(SystemClock::default())).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "proxy"), "{url}");
    }
}

/// The environment belongs to the process, so the tests run themselves again in processes of their own.
#[tokio::test]
async fn a_proxy_of_the_environment_that_is_not_one_of_http_is_named_as_the_reason() {
    const CHILD: &str = "TERTULIA_TEST_SOCKS_URL";
    if let Ok(url) = std::env::var(CHILD) {
        let error = standard().send(post(&url)).await.unwrap_err();
        assert_eq!((error.reason(), error.retry()), ("proxy", Retry::Never), "{error:?}");
        assert!(error.detail().contains("not one of HTTP"), "{error:?}");
        return;
    }
    for url in ["http://model.invalid/v1", "https://model.invalid/v1"] {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.arg("a_proxy_of_the_environment_that_is_not_one_of_http_is_named_as_the_reason");
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            child.env_remove(name);
        }
        let child = child.env("ALL_PROXY", "socks5://127.0.0.1:1").env(CHILD, url).kill_on_drop(true);
        let ended = soon("the end of the child", child.output()).await.unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    }
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_where_no_proxy_does_not_forbid_it() {
    const CHILD: &str = "TERTULIA_TEST_PROXY_URLS";
    if let Ok(urls) = std::env::var(CHILD) {
        let transport = standard();
        for url in urls.split(' ') {
            transport.send(post(url)).await.unwrap();
        }
        return;
    }
    let (proxy, direct) = (Server::start().await, Server::start().await);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .arg("the_proxy_of_the_environment_is_used_where_no_proxy_does_not_forbid_it")
        .env("HTTP_PROXY", format!("http://{}", proxy.addr()))
        .env("http_proxy", format!("http://{}", proxy.addr()))
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .env(CHILD, format!("http://model.invalid/v1 http://{}/v1", direct.addr()))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for (server, line) in [(&proxy, "POST http://model.invalid/v1 HTTP/1.1"), (&direct, "POST /v1 HTTP/1.1")] {
        let mut caller = server.accept().await;
        assert!(caller.request().await.starts_with(line));
        caller.say(OK_EMPTY).await;
    }
    assert!(soon("the end of the child", child.wait()).await.unwrap().success());
}
