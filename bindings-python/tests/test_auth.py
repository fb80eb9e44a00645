"""Keys that become something else before they are sent, checked by other people's code: botocore and google-auth."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import tertulia as t
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from tertulia.testing import Simulator

ID, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+canary", "FwoGZXIvYXdzE//canary+="
EMAIL = "lab@lab.iam.gserviceaccount.com"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


def provider(sim: Simulator, **more: Any) -> Any:
    return {**sim.provider(), "name": "lab", **more}


def signature_of_botocore(request: Any, host: str, session: str | None) -> str:
    """Sign the received request once more, as of the moment that it names."""
    signed = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    kept = {name: request.headers[name] for name in signed if name != "host"}
    assert kept.pop("x-amz-security-token", None) == session  # botocore adds its own
    moment = kept.pop("x-amz-date")
    again = AWSRequest(method=request.method, url=f"http://{host}{request.path}", headers=kept, data=request.body)
    auth = SigV4Auth(Credentials(ID, SECRET, session), "bedrock", "us-east-1")
    again.context["timestamp"] = moment
    auth._modify_request_before_signing(again)
    signature: str = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return signature


@pytest.mark.parametrize("session", [None, SESSION])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "openai_responses"])
def test_a_signature_for_aws_is_the_one_that_botocore_makes(sim: Simulator, dialect: str, session: str | None) -> None:
    spec = provider(sim, dialect=dialect, auth="aws_sigv4:bedrock/us-east-1", quirks={"query": "b=2&a=x%20y&c"})
    key = ":".join(part for part in (ID, SECRET, session) if part)
    with t.Tertulia("memory:", providers=[spec], keys={"lab": key}) as engine:
        assert engine.ask("¿Qué tal?", model="lab/sim:text=ok").text == "ok"
        engine.provider("lab").request("GET", "/v1/models?limit=2&after=a%2Fb")
    assert len(sim.requests) == 2
    for request in sim.requests:
        signature = request.headers["authorization"].split("Signature=")[1]
        host = request.headers["host"]
        assert signature == signature_of_botocore(request, host, session), f"{request.method} {request.path}"
        moment = datetime.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        assert abs(datetime.datetime.now(datetime.timezone.utc) - moment) < datetime.timedelta(minutes=5)
        assert "canary" not in str({k: v for k, v in request.headers.items() if k != "x-amz-security-token"})


class Tokens(ThreadingHTTPServer):
    """Gives a token to who proves to own the key, as Google does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/token"

    def key(self) -> str:
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        names = {"client_email": EMAIL, "private_key_id": "k1", "token_uri": self.url}
        return json.dumps({"type": "service_account", "private_key": pem, **names})

    def check(self, form: dict[str, list[str]]) -> None:
        public = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        self.claims.append(jwt.decode(form["assertion"][0], certs={"k1": public}, audience=self.url))


class Asked(BaseHTTPRequestHandler):
    server: Tokens

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        try:
            self.server.check(form)
            status, answer = 200, {"access_token": "token-of-the-lab", "expires_in": 3599, "token_type": "Bearer"}
        except Exception:
            status, answer = 400, {"error": "invalid_grant"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    with Tokens() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_service_account_proves_itself_to_google_auth_and_gets_one_token(sim: Simulator, tokens: Tokens) -> None:
    spec = provider(sim, auth="google_oauth")
    with t.Tertulia("memory:", providers=[spec], keys={"lab": tokens.key()}) as engine:
        for _ in range(3):
            assert engine.ask("hi", model="lab/sim:text=ok").text == "ok"
    assert [request.headers["authorization"] for request in sim.requests] == ["Bearer token-of-the-lab"] * 3
    (claims,) = tokens.claims
    assert claims["iss"] == EMAIL and claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600


def test_the_key_of_another_account_gets_no_token(sim: Simulator, tokens: Tokens) -> None:
    with Tokens() as other:
        key = json.dumps({**json.loads(other.key()), "token_uri": tokens.url})
    with t.Tertulia("memory:", providers=[provider(sim, auth="google_oauth")], keys={"lab": key}) as engine:
        with pytest.raises(t.UnauthorizedError) as caught:
            engine.ask("hi", model="lab/sim:text=ok")
    assert caught.value.reason == "key_rejected" and not sim.requests and not tokens.claims


@pytest.mark.parametrize("scheme", ["google-oauth", "aws_sigv4:bedrock", "two words"])
def test_a_scheme_that_is_none_is_refused(sim: Simulator, scheme: str) -> None:
    with pytest.raises(t.InvalidError) as caught:
        t.Tertulia("memory:", providers=[provider(sim, auth=scheme)])
    assert caught.value.reason == "bad_provider"


def test_an_address_takes_its_variables_from_the_environment(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = provider(sim, base_url="{TERTULIA_TEST_LAB}/{TERTULIA_TEST_PATH:v1}")
    monkeypatch.delenv("TERTULIA_TEST_LAB", raising=False)
    with t.Tertulia("memory:", providers=[spec]) as engine:
        with pytest.raises(t.InvalidError) as caught:
            engine.ask("hi", model="lab/sim:text=ok")
        assert caught.value.reason == "address_missing" and "TERTULIA_TEST_LAB" in caught.value.detail
        monkeypatch.setenv("TERTULIA_TEST_LAB", sim.url)
        assert engine.ask("hi", model="lab/sim:text=ok").text == "ok"
