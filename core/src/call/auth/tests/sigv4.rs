//! Against the signatures of AWS's own test suite, and others that botocore 1.43 gave for the same requests.

use super::super::sigv4::sign;
use super::*;
use crate::call::catalog::AwsScope;

const KEY: &str = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the moment of the test suite.
const THEN: Timestamp = Timestamp::from_millis(1_440_938_160_000);

fn authorization(method: &str, uri: &str, body: &'static str, scope: Option<(&str, &str)>, now: Timestamp) -> String {
    let mut request = Request::builder().method(method).uri(uri);
    if body.starts_with('{') {
        request = request.header("content-type", "application/json").header("accept", "text/event-stream");
    } else if !body.is_empty() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let mut request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
    let scope = scope.map(|(service, region)| AwsScope { service: service.to_owned(), region: region.to_owned() });
    sign(&mut request, &Secret::new(KEY), scope.as_ref(), now).unwrap();
    request.headers()["authorization"].to_str().unwrap().to_owned()
}

#[test]
fn signs_the_requests_of_the_test_suite_of_aws() {
    let suite = Some(("service", "us-east-1"));
    let host = "https://example.amazonaws.com";
    for (method, path, body, headers, signature) in [
        ("GET", "/", "", "host", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "", "host", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "",
            "host",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            "Param1=value1",
            "content-type;host",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        assert_eq!(
            authorization(method, &format!("{host}{path}"), body, suite, THEN),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={headers};x-amz-date, Signature={signature}"
            ),
            "{method} {path}"
        );
    }
}

#[test]
fn service_and_region_come_from_the_host_or_from_the_scheme() {
    for (uri, scope, place, signature) in [
        (
            "https://bedrock-runtime.us-west-2.amazonaws.com/model/anthropic.claude-3-haiku%3A0/invoke",
            None,
            "us-west-2/bedrock",
            "1b2f48a61b127b733ded5db4afdbcd5baef7272bb113b6e43ebb6360828d6256",
        ),
        (
            "https://bedrock-mantle.eu-central-1.api.aws/anthropic/v1/messages",
            None,
            "eu-central-1/bedrock-mantle",
            "9bb32289098d7f992eeea0bcaf8f01a61c046ddaf84a12613d2ecca64670c8e6",
        ),
        (
            "http://127.0.0.1:8080/v1/chat?b=2&a=x%20y",
            Some(("bedrock", "us-east-1")),
            "us-east-1/bedrock",
            "5348e35209d74824c3af317588c4df1ac1f5708236830e14e5ee2f80f4168480",
        ),
    ] {
        assert_eq!(
            authorization("POST", uri, "{\"a\":1}", scope, NOW),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/{place}/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
            ),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_session_token_is_signed_along_and_hidden() {
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTfl\
                 fKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvl\
                 Rd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4r\
                 vx3iSIlTJabIQwj2ICCR/oLxBA==";
    let mut request = Request::post("https://example.amazonaws.com/").body(Bytes::new()).unwrap();
    let scope = AwsScope { service: "service".to_owned(), region: "us-east-1".to_owned() };
    sign(&mut request, &Secret::from(format!("{KEY}:{token}")), Some(&scope), THEN).unwrap();
    let headers = request.headers();
    assert_eq!(headers["x-amz-security-token"], token);
    assert!(headers["authorization"].to_str().unwrap().ends_with(
        "SignedHeaders=host;x-amz-date;x-amz-security-token, \
         Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
    ));
    let shown = format!("{headers:?}");
    assert!(!shown.contains("AQoDYXdz") && !shown.contains("AKIDEXAMPLE"), "{shown}");
}

#[tokio::test]
async fn the_moment_is_the_clocks_and_the_secret_is_never_sent() {
    let bench = Bench::new("aws_sigv4", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1");
    let (first, _) = bench.sign(&Secret::new(KEY)).await.unwrap();
    bench.clock.advance(Duration::from_secs(3_600));
    let (second, _) = bench.sign(&Secret::new(KEY)).await.unwrap();
    assert_eq!(first.headers()["x-amz-date"], "20261121T093000Z");
    assert_eq!(second.headers()["x-amz-date"], "20261121T103000Z");
    assert_ne!(first.headers()["authorization"], second.headers()["authorization"]);
    for (_, value) in first.headers() {
        assert!(!value.to_str().unwrap().contains("wJalr"));
    }
}

#[tokio::test]
async fn an_api_key_of_bedrock_goes_as_a_bearer_token() {
    let bench = Bench::new("aws_sigv4", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1");
    for key in ["ABSKQmVkcm9ja0FQSUtleS1=", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t"] {
        assert_eq!(bench.bearer(&Secret::new(key)).await, format!("Bearer {key}"));
    }
}

#[tokio::test]
async fn what_is_no_key_of_aws_is_refused_and_not_sent() {
    let bench = Bench::new("aws_sigv4", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1");
    for key in ["canary", "canary:", ":canary", "a:b:c:canary", "a b:canary", "a:b:", "sk-canary", "a:can\"ary"] {
        let error = bench.refused(key).await;
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_malformed"), "{key}");
        assert!(error.detail().contains("ACCESS_KEY_ID:SECRET_ACCESS_KEY"), "{error}");
        assert_hidden(&error);
    }
}

#[tokio::test]
async fn a_host_that_does_not_say_its_region_needs_the_scheme_to_say_it() {
    for host in
        ["llm.lab.example", "amazonaws.com", "bedrock.amazonaws.com", "a.b.us-east-1.amazonaws.com.evil.example"]
    {
        let error = Bench::new("aws_sigv4", &format!("https://{host}/v1")).refused(KEY).await;
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_provider"), "{host}");
        assert!(error.detail().contains("aws_sigv4:bedrock/us-east-1"), "{error}");
    }
}

#[test]
fn a_host_in_capitals_is_signed_as_it_is_sent() {
    // As `AWS_REGION=US-WEST-2` makes it.
    let [small, capital] = ["us-west-2", "US-WEST-2"].map(|region| {
        let uri = format!("https://bedrock-runtime.{region}.amazonaws.com/openai/v1/chat/completions");
        authorization("POST", &uri, "{\"a\":1}", None, NOW)
    });
    assert_eq!(small, capital);
}
